// workqueue_* metrics under upstream's names.
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

export interface QueueMetrics {
  onAdd(): void;
  onRetry(): void;
  onDepth(depth: number): void;
  /** An item left the line after waiting this long. */
  onStart(waitedMs: number): void;
  onDone(workedMs: number): void;
}

export const noQueueMetrics: QueueMetrics = { onAdd: () => {}, onRetry: () => {}, onDepth: () => {}, onStart: () => {}, onDone: () => {} };

const BUCKETS_SECONDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10];

/** Metrics of all queues of one process; `name` is the controller's. */
export function createQueueMetrics(registry: Registry): (name: string) => QueueMetrics {
  const labelNames = ["name"];
  const registers = [registry];
  const adds = new Counter({ name: "workqueue_adds_total", help: "Items added to the work queue", labelNames, registers });
  const retries = new Counter({ name: "workqueue_retries_total", help: "Items put back after a failure", labelNames, registers });
  const depth = new Gauge({ name: "workqueue_depth", help: "Items in line", labelNames, registers });
  const waited = new Histogram({
    name: "workqueue_queue_duration_seconds",
    help: "Time an item stays in line",
    labelNames,
    buckets: BUCKETS_SECONDS,
    registers,
  });
  const worked = new Histogram({
    name: "workqueue_work_duration_seconds",
    help: "Time the work on an item takes",
    labelNames,
    buckets: BUCKETS_SECONDS,
    registers,
  });
  return (name) => {
    const labels = { name };
    depth.set(labels, 0);
    return {
      onAdd: () => adds.inc(labels),
      onRetry: () => retries.inc(labels),
      onDepth: (size) => depth.set(labels, size),
      onStart: (ms) => waited.observe(labels, ms / 1000),
      onDone: (ms) => worked.observe(labels, ms / 1000),
    };
  };
}
