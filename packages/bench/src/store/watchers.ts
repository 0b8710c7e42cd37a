// One write to many watchers, until the last of them has it; then as many writes as they take.
import type { EtcdClient } from "@lenj/etcd-client";
import type { BenchCluster } from "./cluster.js";
import type { Figure } from "./figures.js";
import { inParallel, median } from "./load.js";
import { WatchCrowd } from "./watch-crowd.js";

const watchedKey = Buffer.from("watched");
const value = Buffer.alloc(256, 0x78);
const singleWrites = 60;
const burstWrites = 300;
const burstWidth = 16;
/** Before each of the two: ours is compiled while it runs, which takes a few hundred thousand messages and would count as its cost. */
const warmUpWrites = 400;

export async function watcherFigures(cluster: BenchCluster, watchers: number): Promise<Figure[]> {
  const crowd = await WatchCrowd.gather(cluster, watchedKey, watchers);
  const writer = cluster.client();
  try {
    const writeSingly = async (count: number): Promise<number[]> => {
      const times: number[] = [];
      for (let n = 0; n < count; n += 1) times.push(await writeAll({ crowd, writer }, 1, 1));
      return times;
    };
    const cpuSeconds = (): number => cluster.usage().cpuSeconds;
    await writeSingly(warmUpWrites);
    const beforeSingly = cpuSeconds();
    const times = await writeSingly(singleWrites);
    const single = cpuSeconds() - beforeSingly;
    await writeAll({ crowd, writer }, warmUpWrites, burstWidth);
    const beforeBurst = cpuSeconds();
    const burstMs = await writeAll({ crowd, writer }, burstWrites, burstWidth);
    const burst = cpuSeconds() - beforeBurst;
    const costs = (name: string, seconds: number, writes: number): Figure => ({
      ...{ name: `server CPU of a write to ${watchers} watchers, ${name}` },
      ...{ unit: "us", value: (seconds * 1e6) / writes, better: "less" },
    });
    return [
      { name: `one write to the last of ${watchers} watchers, p50`, unit: "ms", value: median(times), better: "less" },
      { name: `writes a second that ${watchers} watchers all get`, unit: "/s", value: (burstWrites * 1_000) / burstMs, better: "more" },
      costs("one at a time", single, singleWrites),
      costs("as fast as they are taken", burst, burstWrites),
    ];
  } finally {
    crowd.close();
    await writer.close();
  }
}

/** Milliseconds until every watcher has every one of `count` writes, `width` at a time. */
async function writeAll({ crowd, writer }: { crowd: WatchCrowd; writer: EtcdClient }, count: number, width: number): Promise<number> {
  const arrived = crowd.expect(count);
  const startedMs = performance.now();
  await inParallel(count, width, () => writer.put({ key: watchedKey, value }));
  await arrived();
  return performance.now() - startedMs;
}
