// One write to many watchers, until the last of them has it; and as many writes as they take.
import type { EtcdClient } from "@lenj/etcd-client";
import type { BenchCluster } from "./cluster.js";
import { measure, timed } from "./load.js";
import { WatchCrowd } from "./watch-crowd.js";
import type { Work } from "./works.js";

const watchedKey = Buffer.from("watched");
const value = Buffer.alloc(256, 0x78);
const burstWidth = 16;

/** The watchers of each cluster, and who writes to them. */
export class Watched {
  readonly #crowds = new Map<BenchCluster, { readonly crowd: WatchCrowd; readonly writer: EtcdClient }>();

  constructor(private readonly watchers: number) {}

  works(): Work[] {
    const { watchers } = this;
    return [
      {
        name: `a write to the last of ${watchers} watchers`,
        operations: 150,
        warmUp: 1_500,
        measure: async (cluster, count) => {
          const { crowd, writer } = await this.#of(cluster);
          return measure(cluster, () => timed(count, 1, () => writeAll(crowd, 1, () => writer.put({ key: watchedKey, value }))));
        },
      },
      {
        // Its times are those until a write is acknowledged.
        name: `writes that ${watchers} watchers all get`,
        operations: 800,
        warmUp: 2_000,
        measure: async (cluster, count) => {
          const { crowd, writer } = await this.#of(cluster);
          return measure(cluster, async () => {
            const startedMs = performance.now();
            const times = await writeAll(crowd, count, () => timed(count, burstWidth, () => writer.put({ key: watchedKey, value })));
            return { ...times, seconds: (performance.now() - startedMs) / 1_000 };
          });
        },
      },
    ];
  }

  async close(): Promise<void> {
    for (const { crowd, writer } of this.#crowds.values()) {
      crowd.close();
      await writer.close();
    }
  }

  async #of(cluster: BenchCluster): Promise<{ readonly crowd: WatchCrowd; readonly writer: EtcdClient }> {
    const known = this.#crowds.get(cluster);
    if (known !== undefined) return known;
    const made = { crowd: await WatchCrowd.gather(cluster, watchedKey, this.watchers), writer: cluster.client() };
    this.#crowds.set(cluster, made);
    return made;
  }
}

/** Resolves when every watcher has all of the `count` writes that `write` makes. */
async function writeAll<T>(crowd: WatchCrowd, count: number, write: () => Promise<T>): Promise<T> {
  const arrived = crowd.expect(count);
  const result = await write();
  await arrived();
  return result;
}
