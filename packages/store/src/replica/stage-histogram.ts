/** Upper bounds of the buckets, in milliseconds: doubling from 0.25 ms to 8 s. */
export const stageBoundsMs: readonly number[] = Array.from({ length: 16 }, (_unused, power) => 0.25 * 2 ** power);

/** Counts durations by bucket. One look costs a few comparisons: it runs for every request and every stage of it. */
export class StageHistogram {
  /** By bucket, not cumulative; the last one holds what is above all bounds. */
  readonly counts = new Float64Array(stageBoundsMs.length + 1);
  sumMs = 0;

  /** `times`: how many requests took so long. */
  observe(tookMs: number, times = 1): void {
    let bucket = 0;
    while (bucket < stageBoundsMs.length && tookMs > (stageBoundsMs[bucket] as number)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] as number) + times;
    this.sumMs += tookMs * times;
  }
}
