// What a load comes to, and load from this process where h2load cannot make it: requests that differ, streams.
import type { BenchCluster } from "./cluster.js";
import type { Usage } from "./usage.js";

export interface Load {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of all members for one operation, in microseconds. */
  readonly cpuMicros: number;
  readonly writtenBytesEach: number;
}

/** Each operation's time, and how long they took together. */
export interface Times {
  readonly eachMs: ArrayLike<number>;
  readonly seconds: number;
}

/** Runs operations, and says what they came to. */
export async function measure(cluster: BenchCluster, run: () => Promise<Times>): Promise<Load> {
  const before = cluster.usage();
  const { eachMs, seconds } = await run();
  return summarize(eachMs, { seconds, before, after: cluster.usage() });
}

function summarize(eachMs: ArrayLike<number>, during: { readonly seconds: number; readonly before: Usage; readonly after: Usage }): Load {
  const { seconds, before, after } = during;
  const sorted = Float64Array.from(eachMs).sort();
  return {
    perSecond: sorted.length / seconds,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    cpuMicros: ((after.cpuSeconds - before.cpuSeconds) * 1e6) / sorted.length,
    writtenBytesEach: (after.writtenBytes - before.writtenBytes) / sorted.length,
  };
}

/** `count` operations, `width` at a time. */
export async function timed(count: number, width: number, operation: (n: number) => Promise<unknown>): Promise<Times> {
  const eachMs = new Float64Array(count);
  const firstMs = performance.now();
  await inParallel(count, width, async (n) => {
    const startedMs = performance.now();
    await operation(n);
    eachMs[n] = performance.now() - startedMs;
  });
  return { eachMs, seconds: (performance.now() - firstMs) / 1_000 };
}

/** Calls `operation` with 0 to `count` - 1, `width` at a time. */
export async function inParallel(count: number, width: number, operation: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(width, count) }, async () => {
      while (next < count) await operation(next++);
    }),
  );
}

export function median(values: readonly number[]): number {
  return quantile(Float64Array.from(values).sort(), 0.5);
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
