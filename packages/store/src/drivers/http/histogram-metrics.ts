// Histograms that count for themselves, shown as those of the library are.
import type { Metric, Registry } from "prom-client";
import type { CountingHistogram } from "../../core/counting-histogram.js";

type Labels = Readonly<Record<string, string>>;

export interface HistogramMetric {
  readonly name: string;
  readonly help: string;
  /** What is counted is in milliseconds, but for "own", and shown in this. */
  readonly unit: "seconds" | "milliseconds" | "own";
  read(): Iterable<readonly [labels: Labels, histogram: CountingHistogram]>;
}

export function registerHistograms(registry: Registry, { name, help, unit, read }: HistogramMetric): void {
  const scale = unit === "seconds" ? 1 / 1_000 : 1;
  const get = (): object => ({
    ...{ name, help, type: "histogram", aggregator: "sum" },
    values: [...read()].flatMap(([labels, histogram]) => valuesOf(name, labels, histogram, scale)),
  });
  // The library reads a metric's name and get(), and resets it.
  registry.registerMetric({ name, help, get, reset: () => {} } as unknown as Metric);
}

function valuesOf(name: string, labels: Labels, { bounds, counts, sum }: CountingHistogram, scale: number): object[] {
  let count = 0;
  const buckets = [...counts].map((inBucket, at) => {
    count += inBucket;
    const bound = bounds[at];
    const le = bound === undefined ? "+Inf" : Number((bound * scale).toPrecision(12));
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
  });
  return [...buckets, { metricName: `${name}_sum`, labels, value: sum * scale }, { metricName: `${name}_count`, labels, value: count }];
}
