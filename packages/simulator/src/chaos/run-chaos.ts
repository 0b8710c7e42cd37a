// Real replicas under faults chosen by a seed, with clients whose history is checked.
//
// Checks: linearizability of single keys; every acknowledged write is there at the end; a watch over everything shows each revision once, in
// order; all replicas hold the same data. The seed chooses the faults; what meets them is up to the machine, so that a run is not repeated
// exactly.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, SeededRandom } from "@lenj/base";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { eventually, freePort, leaderName, StoreCluster } from "@lenj/store/testing";
import { checkLinearizability } from "../checkers/linearizability.js";
import { ChaosHistory, runClient } from "./clients.js";
import { type LinkFault, Relay } from "./relay.js";

const clientCount = 4;
const quietMs = 1_000;
const recoveryMs = 60_000;
const everything = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };

export interface ChaosOptions {
  readonly replicas: number;
  readonly seconds: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

export interface ChaosResult {
  readonly operations: number;
  readonly unknown: number;
  readonly acknowledged: number;
  readonly faults: number;
  readonly revisions: number;
  /** What was broken; empty when all held. */
  readonly broken: readonly string[];
}

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const cluster = await StoreCluster.create(
    { members: options.replicas, flags: ["--snapshot-count", "500"] },
    mkdtempSync(join(tmpdir(), "lenj-chaos-")),
  );
  const relays = new Map<string, Relay>();
  try {
    for (const { name, peerURL } of cluster.addresses) {
      const listenPort = await freePort();
      relays.set(name, await Relay.start(Number(new URL(peerURL).port), listenPort));
    }
    return await attack(cluster, relays, options);
  } finally {
    await cluster.close();
    for (const relay of relays.values()) await relay.close();
  }
}

async function attack(cluster: StoreCluster, relays: ReadonlyMap<string, Relay>, options: ChaosOptions): Promise<ChaosResult> {
  const random = new SeededRandom(options.seed);
  const start = (name: string): void => cluster.start(name, { listenPeerURL: `http://127.0.0.1:${relays.get(name)?.targetPort}` });
  for (const { name } of cluster.addresses) start(name);
  const observer = createEtcdClient({ endpoints: cluster.endpoints, callTimeoutMs: 5_000 });
  const stop = new AbortController();
  const seen: number[] = [];
  try {
    await eventually(() => observer.put({ key: Buffer.from("begin"), value: Buffer.from("v") }), recoveryMs);
    const watching = watchAll(observer, seen, stop.signal);
    const history = new ChaosHistory();
    const done = new AbortController();
    const clients = Array.from({ length: clientCount }, (_unused, number) => {
      const shift = number % cluster.endpoints.length;
      const endpoints = [...cluster.endpoints.slice(shift), ...cluster.endpoints.slice(0, shift)];
      return runClient(number, endpoints, history, new SeededRandom(options.seed * 31 + number), done.signal);
    });
    const faults = await injectFaults(cluster, relays, random, start, options);
    done.abort();
    await Promise.all(clients);
    const broken = await checkAll(cluster, observer, history, seen);
    stop.abort(new Error("seen enough"));
    await watching;
    const unknown = history.operations.filter(({ returnedAt }) => returnedAt === undefined).length;
    return {
      ...{ operations: history.operations.length, unknown, acknowledged: history.acknowledged.length },
      ...{ faults, revisions: seen.length, broken },
    };
  } finally {
    stop.abort(new Error("over"));
    await observer.close();
  }
}

async function watchAll(client: EtcdClient, seen: number[], signal: AbortSignal): Promise<void> {
  try {
    for await (const { events } of client.watch({ ...everything, startRevision: 1, signal }))
      for (const event of events) seen.push(event.kv?.modRevision ?? 0);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** One fault after the other, each mended before the next. Returns how many. */
async function injectFaults(
  cluster: StoreCluster,
  relays: ReadonlyMap<string, Relay>,
  random: Random,
  start: (name: string) => void,
  { seconds, log }: ChaosOptions,
): Promise<number> {
  const endMs = performance.now() + seconds * 1_000;
  const names = cluster.addresses.map(({ name }) => name);
  let count = 0;
  for (; performance.now() < endMs; count += 1) {
    const kind = ["kill", "killLeader", "killAll", "pause", "pauseLeader", "link"][random.below(6)] as string;
    const lastMs = 500 + random.below(2_500);
    const leader = kind.endsWith("Leader") ? await leaderName(cluster) : undefined;
    const victims = kind === "killAll" ? names : [leader ?? (names[random.below(names.length)] as string)];
    const link = kind === "link" ? (["cut", "stalled", "halfClosed"] as const)[random.below(3)] : undefined;
    log(`${kind}${link === undefined ? "" : ` ${link}`} ${victims.join(" ")} for ${lastMs} ms`);
    await disturb(cluster, relays, victims, kind, link);
    await sleep(lastMs);
    for (const name of victims) {
      if (kind === "link") relays.get(name)?.set(undefined);
      else if (kind.startsWith("pause")) await cluster.signal(name, "SIGCONT");
      else start(name);
    }
    await sleep(quietMs);
  }
  return count;
}

async function disturb(
  cluster: StoreCluster,
  relays: ReadonlyMap<string, Relay>,
  victims: readonly string[],
  kind: string,
  link: LinkFault | undefined,
): Promise<void> {
  await Promise.all(
    victims.map((name) => {
      if (link !== undefined) return relays.get(name)?.set(link);
      return cluster.signal(name, kind.startsWith("pause") ? "SIGSTOP" : "SIGKILL");
    }),
  );
}

async function checkAll(cluster: StoreCluster, observer: EtcdClient, history: ChaosHistory, seen: readonly number[]): Promise<string[]> {
  const broken: string[] = [];
  const last = await eventually(() => observer.put({ key: Buffer.from("end"), value: Buffer.from("v") }), recoveryMs);
  const { verdict, key } = checkLinearizability(history.operations);
  if (verdict === "violation") broken.push(`the history of ${key} is not linearizable: ${describe(history, key)}`);
  const { kvs } = await observer.range(everything, { timeoutMs: 30_000 });
  const stored = new Set(kvs.map((kv) => kv.key.toString()));
  const lost = history.acknowledged.filter((name) => !stored.has(name));
  if (lost.length > 0) broken.push(`${lost.length} acknowledged writes are gone, the first is ${lost[0]}`);
  // Every write here is a revision of its own; 1 is the empty store.
  const revision = last.header?.revision ?? 0;
  await eventually(() => Promise.resolve((seen.at(-1) ?? 0) >= revision ? true : undefined), recoveryMs).catch(() =>
    broken.push(`the watch ended at revision ${seen.at(-1)} of ${revision}`),
  );
  const wrong = seen.findIndex((modRevision, position) => modRevision !== position + 2);
  if (wrong >= 0) broken.push(`the watch shows revision ${seen[wrong]} where ${wrong + 2} was due`);
  await eventually(async () => {
    await Promise.resolve();
    const hashes = cluster.endpoints.map(
      (endpoint) => /"Hash" : (\d+)/.exec(cluster.etcdctl(["endpoint", "hashkv", "-w", "fields"], { endpoints: [endpoint] }).stdout)?.[1],
    );
    return hashes.every((hash) => hash !== undefined && hash === hashes[0]) ? true : undefined;
  }, recoveryMs).catch(() => broken.push("replicas hold different data"));
  return broken;
}

const describe = ({ operations }: ChaosHistory, key: string): string =>
  operations
    .filter((operation) => operation.key === key)
    .map((operation) => `\n  ${JSON.stringify(operation)}`)
    .join("");

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
