// What one request sent again and again does not show: watchers, the loss of a leader, a restart, memory and disk as keys grow.
import type { EtcdClient } from "@lenj/etcd-client";
import type { BenchCluster } from "./cluster.js";
import { listPrefix } from "./works.js";

const value = Buffer.alloc(256, 0x78);

/** Values at the key that everybody watches. */
const watchedKey = Buffer.from("watched");

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly better: "less" | "more";
}

/** 1,000 keys of 1 KB under the list's prefix, and the key that updates change. */
export async function fillForWorks(cluster: BenchCluster): Promise<void> {
  const client = cluster.client();
  await client.put({ key: Buffer.from("update"), value });
  await inParallel(1_000, 64, (n) =>
    client.put({ key: Buffer.from(`${listPrefix}${String(n).padStart(6, "0")}`), value: Buffer.alloc(1_024, 0x79) }),
  );
  await client.close();
}

/** One write at a time to many watchers on ten connections, until the last of them has it; then as many as they take. */
export async function watcherFigures(cluster: BenchCluster, watchers: number): Promise<Figure[]> {
  const crowd = await Crowd.gather(cluster, watchers);
  const times: number[] = [];
  for (let n = 0; n < 60; n += 1) times.push(await crowd.write(1, 1));
  const burst = 300;
  const burstMs = await crowd.write(burst, 16);
  await crowd.close();
  return [
    { name: `one write to the last of ${watchers} watchers`, unit: "ms", value: median(times), better: "less" },
    { name: `writes a second that ${watchers} watchers all get`, unit: "/s", value: (burst * 1_000) / burstMs, better: "more" },
  ];
}

/** Watchers of one key, and who writes it. */
class Crowd {
  #arrived = 0;
  #wanted = Number.POSITIVE_INFINITY;
  #onAll = (): void => {};
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>[] = [];

  private constructor(
    readonly writer: EtcdClient,
    readonly clients: readonly EtcdClient[],
    readonly size: number,
  ) {}

  static async gather(cluster: BenchCluster, size: number): Promise<Crowd> {
    const crowd = new Crowd(
      cluster.client(),
      Array.from({ length: 10 }, () => cluster.client()),
      size,
    );
    await Promise.all(
      Array.from({ length: size }, (_, n) => new Promise<void>((created) => crowd.#join(crowd.clients[n % 10] as EtcdClient, created))),
    );
    return crowd;
  }

  /** Milliseconds until every watcher has every one of `count` writes, `width` at a time. */
  async write(count: number, width: number): Promise<number> {
    this.#arrived = 0;
    this.#wanted = count * this.size;
    const all = new Promise<void>((resolve) => {
      this.#onAll = resolve;
    });
    const startedMs = performance.now();
    await inParallel(count, width, () => this.writer.put({ key: watchedKey, value }));
    await all;
    return performance.now() - startedMs;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#watching);
    await Promise.all([...this.clients, this.writer].map((client) => client.close()));
  }

  #join(client: EtcdClient, created: () => void): void {
    this.#watching.push(
      (async () => {
        try {
          for await (const message of client.watch({ key: watchedKey, signal: this.#stop.signal })) {
            if (message.created) created();
            this.#arrived += message.events.length;
            if (this.#arrived >= this.#wanted) this.#onAll();
          }
        } catch (error) {
          if (!this.#stop.signal.aborted) throw error;
        }
      })(),
    );
  }
}

/** How long no write succeeds after the leader was killed. */
export async function leaderLoss(cluster: BenchCluster): Promise<Figure> {
  const client = cluster.client();
  const leader = await leaderOf(cluster, client);
  await cluster.stopMember(leader, "SIGKILL");
  const startedMs = performance.now();
  for (;;) {
    try {
      await client.put({ key: Buffer.from("after"), value }, { timeoutMs: 1_000 });
      break;
    } catch {
      if (performance.now() - startedMs > 60_000) throw new Error("no write for a minute after the leader was killed");
    }
  }
  const tookMs = performance.now() - startedMs;
  cluster.startMember(leader);
  await client.close();
  return { name: "writes again after kill -9 of the leader", unit: "ms", value: tookMs, better: "less" };
}

async function leaderOf(cluster: BenchCluster, client: EtcdClient): Promise<number> {
  for (const [n, endpoint] of cluster.endpoints.entries()) {
    const { leader, header } = await client.status({ endpoint });
    if (leader === header?.memberId) return n;
  }
  throw new Error("no member says that it leads");
}

/** Writes keys `from` to `to`, then says what they cost. */
export async function grow(cluster: BenchCluster, from: number, to: number): Promise<Figure[]> {
  const client = cluster.client();
  const startedMs = performance.now();
  await inParallel(to - from, 256, (n) => client.put({ key: Buffer.from(`key/${String(from + n).padStart(9, "0")}`), value }));
  const seconds = (performance.now() - startedMs) / 1_000;
  await client.close();
  return [
    { name: `memory of three members at ${to} keys`, unit: "MB", value: cluster.usage().residentBytes / 1e6, better: "less" },
    { name: `puts from ${from} to ${to} keys`, unit: "/s", value: (to - from) / seconds, better: "more" },
  ];
}

/** Stops all members in order, starts them, and waits for a write. */
export async function restart(cluster: BenchCluster, keys: number): Promise<Figure> {
  for (const n of cluster.ports.keys()) await cluster.stopMember(n, "SIGTERM");
  const startedMs = performance.now();
  cluster.startMembers();
  await cluster.untilAnswered();
  return { name: `restart with ${keys} keys`, unit: "ms", value: performance.now() - startedMs, better: "less" };
}

async function inParallel(count: number, width: number, operation: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < count) await operation(next++);
    }),
  );
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
