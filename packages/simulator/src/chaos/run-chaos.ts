// Real replicas under faults chosen by a seed, with clients whose history is checked.
//
// Checks: linearizability of single keys; every acknowledged write is there at the end; a watch over everything shows each revision once, in
// order; all replicas hold the same data. The seed chooses the faults; what meets them is up to the machine, so that a run is not repeated
// exactly.
import { SeededRandom } from "@lenj/base";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { eventually, type StoreCluster } from "@lenj/store/testing";
import { checkLinearizability } from "../checkers/linearizability.js";
import { ChaosHistory, runClient } from "./clients.js";
import { injectFaults } from "./faults.js";
import { Members } from "./members.js";

const clientCount = 4;
const recoveryMs = 60_000;
const everything = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };

export interface ChaosOptions {
  readonly replicas: number;
  readonly seconds: number;
  readonly seed: number;
  /** Each replica on a disk of its own, which is filled and frozen too. Needs root. */
  readonly disks?: boolean;
  readonly log: (line: string) => void;
}

export interface ChaosResult {
  readonly operations: number;
  readonly unknown: number;
  readonly acknowledged: number;
  readonly faults: number;
  /** How often a replica ended because its disk was full. */
  readonly roomless: number;
  readonly revisions: number;
  /** What was broken; empty when all held. */
  readonly broken: readonly string[];
}

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const members = await Members.create(options.replicas, options.disks ?? false);
  try {
    return await attack(members, options);
  } finally {
    await members.close();
  }
}

async function attack(members: Members, options: ChaosOptions): Promise<ChaosResult> {
  const { cluster } = members;
  for (const name of members.names) members.start(name);
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
    const faults = await injectFaults(members, new SeededRandom(options.seed), options);
    done.abort();
    await Promise.all(clients);
    const broken = await checkAll(cluster, observer, history, seen);
    stop.abort(new Error("seen enough"));
    await watching;
    const unknown = history.operations.filter(({ returnedAt }) => returnedAt === undefined).length;
    return {
      ...{ operations: history.operations.length, unknown, acknowledged: history.acknowledged.length },
      ...{ faults, roomless: members.roomless, revisions: seen.length, broken: [...broken, ...members.ends] },
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
