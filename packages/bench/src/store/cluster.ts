// The two clusters under comparison: three members each, started alike, each in a session of its own
// (Linux shares processors by session, and a member must not share with the client).
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { get as getSecure } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@lenj/base";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { freePort } from "@lenj/store/testing";
import { type Certificates, certificateFlags } from "./certificates.js";
import { pidsUnder, type Usage, usageOf } from "./usage.js";

const storeProgram = fileURLToPath(import.meta.resolve("@lenj/store/main"));
const memberCount = 3;
const untilMsMax = 180_000;
/** A cluster that uses less than this share of one core is taken to have finished what it had begun. */
const quietShare = 0.15;
const quietMsMax = 60_000;
const pollMs = 10;

const running = new Set<BenchCluster>();

export type ClusterName = "lenj" | "etcd";

export interface ClusterOptions {
  readonly name: ClusterName;
  /** Where its data goes. */
  readonly folder: string;
  /** TLS between members and towards clients; absent: neither. */
  readonly certificates: Certificates | undefined;
}

export class BenchCluster {
  readonly #members = new Map<number, ChildProcess>();

  private constructor(
    readonly options: ClusterOptions,
    readonly ports: readonly { readonly client: number; readonly peer: number }[],
  ) {}

  static async start(options: ClusterOptions): Promise<BenchCluster> {
    const ports: { client: number; peer: number }[] = [];
    for (let n = 0; n < memberCount; n += 1) ports.push({ client: await freePort(), peer: await freePort() });
    const cluster = new BenchCluster(options, ports);
    running.add(cluster);
    cluster.startMembers();
    await cluster.untilWritable();
    return cluster;
  }

  get name(): ClusterName {
    return this.options.name;
  }

  get endpoints(): string[] {
    return this.ports.map(({ client }) => this.#url(client));
  }

  startMembers(): void {
    for (const n of this.ports.keys()) this.startMember(n);
  }

  startMember(n: number): void {
    const { client, peer } = this.ports[n] as { client: number; peer: number };
    const flags = [
      `--name=m${n}`,
      `--data-dir=${this.options.folder}/m${n}`,
      `--listen-client-urls=${this.#url(client)}`,
      `--advertise-client-urls=${this.#url(client)}`,
      `--listen-peer-urls=${this.#url(peer)}`,
      `--initial-advertise-peer-urls=${this.#url(peer)}`,
      `--initial-cluster=${this.ports.map((member, index) => `m${index}=${this.#url(member.peer)}`).join(",")}`,
      "--quota-backend-bytes=8589934592",
      ...(this.options.certificates === undefined ? [] : certificateFlags(this.options.certificates)),
    ];
    const [program, args] = this.name === "etcd" ? ["etcd", flags] : [process.execPath, [storeProgram, ...flags]];
    this.#members.set(n, spawn("setsid", ["--wait", program, ...args], { stdio: "ignore", detached: true }));
  }

  /** Sends a member a signal, and returns a promise for its end. */
  stopMember(n: number, signal: "SIGKILL" | "SIGTERM"): Promise<unknown> {
    const child = this.#members.get(n);
    if (child?.exitCode !== null) return Promise.resolve();
    const gone = once(child, "exit");
    for (const pid of pidsUnder(child)) process.kill(pid, signal);
    return gone;
  }

  async close(): Promise<void> {
    await Promise.all([...this.ports.keys()].map((n) => this.stopMember(n, "SIGKILL")));
    running.delete(this);
  }

  /** Ends every cluster that was started and not closed, also one that is still starting. */
  static async closeAll(): Promise<void> {
    await Promise.all([...running].map((cluster) => cluster.close()));
  }

  /** A client that prefers the given member, and goes on to the next when that fails. */
  client(preferred = 0): EtcdClient {
    const { endpoints } = this;
    const first = preferred % endpoints.length;
    return this.#createClient([...endpoints.slice(first), ...endpoints.slice(0, first)]);
  }

  /** A client that knows one member only. */
  clientOf(n: number): EtcdClient {
    return this.#createClient([this.endpoints[n] as string]);
  }

  usage(): Usage {
    return usageOf([...this.#members.values()].flatMap(pidsUnder));
  }

  /** Which member says that it leads. */
  async leader(): Promise<number> {
    for (const n of this.ports.keys()) {
      const client = this.clientOf(n);
      try {
        const { leader, header } = await client.status({ timeoutMs: 2_000 });
        if (leader === header?.memberId) return n;
      } finally {
        await client.close();
      }
    }
    throw new Error(`no member of ${this.name} says that it leads`);
  }

  async untilWritable(): Promise<void> {
    const client = this.client();
    await until(`${this.name} takes a write`, () => client.put({ key: Buffer.from("ready"), value: Buffer.from("yes") }).then(() => true));
    await client.close();
  }

  /** Waits until a member says under `/health` that it is well: it can then read what is newest. */
  untilHealthy(n: number): Promise<void> {
    return until(`member ${n} of ${this.name} is healthy`, () => this.#isHealthy(n));
  }

  /** Waits until it does next to nothing, so that what an earlier step left to do is not counted against the next. */
  async untilQuiet(): Promise<void> {
    const deadlineMs = performance.now() + quietMsMax;
    for (let quiet = 0; quiet < 2 && performance.now() < deadlineMs; ) {
      const before = this.usage().cpuSeconds;
      await sleep(1_000);
      quiet = this.usage().cpuSeconds - before < quietShare ? quiet + 1 : 0;
    }
  }

  #url(port: number): string {
    return `${this.options.certificates === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  }

  #createClient(endpoints: readonly string[]): EtcdClient {
    const { certificates } = this.options;
    return createEtcdClient({ endpoints, logger: silentLogger, ...(certificates && { tls: { ca: certificates.authority } }) });
  }

  #isHealthy(n: number): Promise<boolean> {
    const url = `${this.endpoints[n]}/health`;
    const { certificates } = this.options;
    return new Promise((resolve, reject) => {
      const options = { agent: false, timeout: 5_000 };
      const request =
        certificates === undefined ? get(url, options, onAnswer) : getSecure(url, { ...options, ca: certificates.authority }, onAnswer);
      request.on("timeout", () => request.destroy(new Error("no answer in time")));
      request.on("error", reject);
      function onAnswer(answer: NodeJS.ReadableStream): void {
        let text = "";
        answer.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        answer.on("end", () => resolve(/"health":\s*"true"/.test(text)));
      }
    });
  }
}

/** Asks until the answer is yes; an error is a no. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + untilMsMax;
  let cause: unknown;
  while (performance.now() < deadlineMs) {
    try {
      if (await isSo()) return;
    } catch (error) {
      cause = error;
    }
    await sleep(pollMs);
  }
  throw new Error(`Waited ${untilMsMax} ms in vain until ${what}`, { cause });
}
