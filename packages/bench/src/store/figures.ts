// One number of each side, with what it means.

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly better: "less" | "more";
}

/** Of several: the middle one and the worst. */
export function spread(name: string, times: readonly number[]): Figure[] {
  const sorted = [...times].sort((a, b) => a - b);
  const figure = (which: string, value: number | undefined): Figure => ({
    name: `${name}, ${which} of ${times.length}`,
    unit: "ms",
    value: value ?? Number.NaN,
    better: "less",
  });
  return [figure("p50", sorted[Math.floor(sorted.length / 2)]), figure("max", sorted.at(-1))];
}
