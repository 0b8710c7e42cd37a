// The two clusters under comparison: three members each, started alike, each in a session of its own
// (Linux shares processors by session, and a member must not share with the client).
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@lenj/base";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { freePort } from "@lenj/store/testing";

const storeProgram = fileURLToPath(import.meta.resolve("@lenj/store/main"));
const clockTicksPerSecond = 100;

export interface Usage {
  /** User and system time of all members, in seconds. */
  readonly cpuSeconds: number;
  /** Bytes that all members sent to disk. */
  readonly writtenBytes: number;
  /** Resident memory of all members, in bytes. */
  readonly residentBytes: number;
}

export class BenchCluster {
  readonly #members = new Map<string, ChildProcess>();

  private constructor(
    readonly name: "lenj" | "etcd",
    readonly folder: string,
    readonly ports: readonly { readonly client: number; readonly peer: number }[],
  ) {}

  static async start(name: "lenj" | "etcd", folder: string): Promise<BenchCluster> {
    const ports: { client: number; peer: number }[] = [];
    for (let n = 0; n < 3; n += 1) ports.push({ client: await freePort(), peer: await freePort() });
    const cluster = new BenchCluster(name, `${folder}/${name}`, ports);
    cluster.startMembers();
    await cluster.untilAnswered();
    return cluster;
  }

  get endpoints(): string[] {
    return this.ports.map(({ client }) => `http://127.0.0.1:${client}`);
  }

  startMembers(): void {
    for (const n of this.ports.keys()) this.startMember(n);
  }

  startMember(n: number): void {
    const url = (port: number): string => `http://127.0.0.1:${port}`;
    const { client, peer } = this.ports[n] as { client: number; peer: number };
    const flags = [
      `--name=m${n}`,
      `--data-dir=${this.folder}/m${n}`,
      `--listen-client-urls=${url(client)}`,
      `--advertise-client-urls=${url(client)}`,
      `--listen-peer-urls=${url(peer)}`,
      `--initial-advertise-peer-urls=${url(peer)}`,
      `--initial-cluster=${this.ports.map((member, index) => `m${index}=${url(member.peer)}`).join(",")}`,
      "--quota-backend-bytes=8589934592",
    ];
    const [program, args] = this.name === "etcd" ? ["etcd", flags] : [process.execPath, [storeProgram, ...flags]];
    this.#members.set(`m${n}`, spawn("setsid", ["--wait", program, ...args], { stdio: "ignore", detached: true }));
  }

  /** Ends one member by signal and waits until it is gone. */
  async stopMember(n: number, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#members.get(`m${n}`);
    if (child?.exitCode !== null) return;
    const gone = once(child, "exit");
    for (const pid of pidsOf(child)) process.kill(pid, signal);
    await gone;
  }

  async close(): Promise<void> {
    await Promise.all([...this.ports.keys()].map((n) => this.stopMember(n, "SIGKILL")));
  }

  client(): EtcdClient {
    return createEtcdClient({ endpoints: this.endpoints, logger: silentLogger });
  }

  usage(): Usage {
    const pids = [...this.#members.values()].flatMap(pidsOf);
    const sum = (read: (pid: number) => number): number => pids.reduce((total, pid) => total + read(pid), 0);
    return { cpuSeconds: sum(cpuSecondsOf), writtenBytes: sum(writtenBytesOf), residentBytes: sum(residentBytesOf) };
  }

  async untilAnswered(): Promise<void> {
    const client = this.client();
    const deadlineMs = performance.now() + 120_000;
    for (;;) {
      try {
        await client.put({ key: Buffer.from("ready"), value: Buffer.from("yes") });
        break;
      } catch (error) {
        if (performance.now() > deadlineMs) throw error;
      }
    }
    await client.close();
  }
}

/** setsid's child is the member. */
function pidsOf(child: ChildProcess): number[] {
  if (child.pid === undefined || child.exitCode !== null) return [];
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
  return children === "" ? [child.pid] : children.split(" ").map(Number);
}

function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond;
}

function writtenBytesOf(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1] ?? 0);
}

function residentBytesOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1_024;
}
