/** `count` bounds, each twice the one before. */
export const doubling = (first: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_unused, power) => first * 2 ** power);

/** Counts values by bucket. One look costs a few comparisons and no memory: some run for every request and every stage of it. */
export class CountingHistogram {
  /** By bucket, not cumulative; the last one holds what is above all bounds. */
  readonly counts: Float64Array;
  sum = 0;

  /** `bounds`: highest value of each bucket, rising. */
  constructor(readonly bounds: readonly number[]) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** `times`: how often this value occurred. */
  observe(value: number, times = 1): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] as number)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] as number) + times;
    this.sum += value * times;
  }
}
