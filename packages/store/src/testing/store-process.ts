// A store, or etcd, as a real process for tests: started by flags, ready by its API, ended by pid.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.js";

const mainFile = fileURLToPath(new URL("../main.js", import.meta.url));
/** Of each member's log, when something did not come. */
const linesShown = 15;

export interface MemberAddress {
  readonly name: string;
  readonly clientURL: string;
  readonly peerURL: string;
}

export interface ClusterOptions {
  readonly members: number;
  /** Added to every member's command line. */
  readonly flags?: readonly string[];
  readonly scheme?: "http" | "https";
}

/** Members of one cluster on loopback, in a temporary folder. */
export class StoreCluster {
  readonly #processes = new Map<string, { readonly process: ChildProcess; readonly exited: Promise<unknown> }>();

  private constructor(
    readonly folder: string,
    readonly addresses: MemberAddress[],
    readonly options: ClusterOptions,
  ) {}

  static async create(options: ClusterOptions, folder = mkdtempSync(join(tmpdir(), "lenj-store-"))): Promise<StoreCluster> {
    const cluster = new StoreCluster(folder, [], options);
    for (let number = 1; number <= options.members; number += 1) await cluster.reserve(`s${number}`);
    return cluster;
  }

  /** Gives one more member its addresses; it is started, and made a member, by the caller. */
  async reserve(name: string): Promise<MemberAddress> {
    const scheme = this.options.scheme ?? "http";
    const clientURL = `${scheme}://127.0.0.1:${await freePort()}`;
    const address = { name, clientURL, peerURL: `${scheme}://127.0.0.1:${await freePort()}` };
    this.addresses.push(address);
    return address;
  }

  get endpoints(): string[] {
    return this.addresses.map(({ clientURL }) => clientURL);
  }

  startAll(): void {
    for (const { name } of this.addresses) this.start(name);
  }

  /**
   * `members`: the names that its initial cluster has, when not all that addresses were given to. `listenPeerURL`: where it listens to peers,
   * when something stands between them and the address that they know.
   */
  start(
    name: string,
    options: { readonly members?: readonly string[]; readonly flags?: readonly string[]; readonly listenPeerURL?: string } = {},
  ): void {
    const address = this.#address(name);
    const flags = [
      ...["--name", name, "--data-dir", join(this.folder, name)],
      ...["--listen-client-urls", address.clientURL, "--advertise-client-urls", address.clientURL],
      ...["--listen-peer-urls", options.listenPeerURL ?? address.peerURL, "--initial-advertise-peer-urls", address.peerURL],
      ...["--initial-cluster", this.initialCluster(options.members)],
      ...(this.options.flags ?? []),
      ...(options.flags ?? []),
    ];
    const child = spawn(process.execPath, [mainFile, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    const log = join(this.folder, `${name}.log`);
    const keep = (chunk: Buffer): void => writeFileSync(log, chunk, { flag: "a" });
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    this.#processes.set(name, { process: child, exited: once(child, "exit") });
  }

  initialCluster(members?: readonly string[]): string {
    const named = this.addresses.filter(({ name }) => members?.includes(name) ?? true);
    return named.map(({ name, peerURL }) => `${name}=${peerURL}`).join(",");
  }

  /** Sends a signal and, unless it only pauses or resumes, waits for the end. */
  async signal(name: string, signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<void> {
    const running = this.#processes.get(name);
    if (running === undefined) return;
    running.process.kill(signal);
    if (signal === "SIGSTOP" || signal === "SIGCONT") return;
    await running.exited;
    this.#forget(name, running.process);
  }

  /** Resolves with the exit code when a member ends by itself. */
  async exitOf(name: string): Promise<number | null> {
    const running = this.#processes.get(name);
    if (running === undefined) throw new Error(`${name} does not run`);
    await running.exited;
    this.#forget(name, running.process);
    return running.process.exitCode;
  }

  /** What a member has logged so far; nothing before its first line. */
  log(name: string): string {
    const file = join(this.folder, `${name}.log`);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  /** Resolves once every member answers a linearizable read. Throws, with what they last said, when that does not come. */
  async becomeHealthy(): Promise<void> {
    try {
      await eventually(() => Promise.resolve(this.etcdctl(["endpoint", "health"]).code === 0 ? true : undefined));
    } catch (cause) {
      const said = this.addresses.map(({ name }) => `${name}: ${this.log(name).split("\n").slice(-linesShown).join("\n")}`);
      throw new Error(`the cluster did not become healthy\n${said.join("\n")}`, { cause });
    }
  }

  async close(): Promise<void> {
    for (const name of [...this.#processes.keys()]) await this.signal(name, "SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs Debian's etcdctl against some members (default: all). Returns what it wrote and its exit code. */
  etcdctl(
    args: readonly string[],
    options: { readonly endpoints?: readonly string[]; readonly input?: string; readonly timeoutMs?: number } = {},
  ): { readonly code: number; readonly stdout: string; readonly stderr: string } {
    const endpoints = (options.endpoints ?? this.endpoints).join(",");
    const result = spawnSync("etcdctl", ["--endpoints", endpoints, ...args], {
      env: { ...process.env, ETCDCTL_API: "3" },
      encoding: "utf8",
      timeout: options.timeoutMs ?? 20_000,
      ...(options.input === undefined ? {} : { input: options.input }),
    });
    return { code: result.status ?? -1, stdout: result.stdout, stderr: result.stderr };
  }

  /** A successor, started meanwhile, stays known. */
  #forget(name: string, ended: ChildProcess): void {
    if (this.#processes.get(name)?.process === ended) this.#processes.delete(name);
  }

  #address(name: string): MemberAddress {
    const address = this.addresses.find((member) => member.name === name);
    if (address === undefined) throw new Error(`no member ${name}`);
    return address;
  }
}

/** Polls until `check` gives a value; its errors count as "not yet" until the time is up. */
export async function eventually<T>(check: () => Promise<T | undefined>, timeoutMs = 30_000): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs;
  let last: unknown = new Error("the condition never held");
  while (Date.now() < deadlineMs) {
    try {
      const value = await check();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw last;
}
