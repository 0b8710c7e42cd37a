// Pods waiting for a node: to be tried now, after a back-off, or when something in the cluster changed.
//
// Q1. A pod is in exactly one place: active, backing off, unschedulable, gated or in flight.
// Q2. Active pods leave by priority, then by the time they were first queued.
// Q3. An event that arrives while a pod is in flight counts for it: had it come a moment later it would have woken the pod.
// Upstream: pkg/scheduler/backend/queue.
import type { Clock } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import type { ClusterEvent, Plugin } from "./framework.js";
import { priorityOf } from "./preemption.js";

export interface QueuedPod {
  readonly key: string;
  pod: corev1.Pod;
  readonly queuedAtMs: number;
  readonly sequence: number;
  attempts: number;
  /** Names of the plugins that rejected it last. */
  rejectedBy: ReadonlySet<string>;
  failedAtMs: number;
}

export interface SchedulingQueueOptions {
  readonly clock: Clock;
  readonly plugins: readonly Plugin[];
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  /** A pod waits for events at most this long. */
  readonly unschedulableMaxMs: number;
}

type Place = "active" | "backoff" | "unschedulable" | "gated" | "inFlight";

export class SchedulingQueue {
  readonly #entries = new Map<string, { queued: QueuedPod; place: Place }>();
  readonly #wakesOn: ReadonlyMap<string, ReadonlySet<ClusterEvent>>;
  /** Events since the pod in flight was taken. */
  #missedEvents: ClusterEvent[] = [];
  #sequence = 0;

  constructor(readonly options: SchedulingQueueOptions) {
    this.#wakesOn = new Map(options.plugins.map((plugin) => [plugin.name, new Set(plugin.wakesOn)]));
  }

  /** Pods by place, for metrics. */
  counts(): Readonly<Record<Place, number>> {
    const counts = { active: 0, backoff: 0, unschedulable: 0, gated: 0, inFlight: 0 };
    for (const { place } of this.#entries.values()) counts[place] += 1;
    return counts;
  }

  /** A pod without a node appeared or changed. */
  put(key: string, pod: corev1.Pod): void {
    const entry = this.#entries.get(key);
    const gated = this.#gate(pod) !== undefined;
    if (entry === undefined) {
      const queued: QueuedPod = {
        key,
        pod,
        queuedAtMs: this.options.clock.monotonicMs(),
        sequence: this.#sequence++,
        attempts: 0,
        rejectedBy: new Set(),
        failedAtMs: 0,
      };
      this.#entries.set(key, { queued, place: gated ? "gated" : "active" });
      return;
    }
    entry.queued.pod = pod;
    if (entry.place === "gated") entry.place = gated ? "gated" : "active";
    else if (entry.place === "unschedulable") entry.place = this.#afterWake(entry.queued);
  }

  remove(key: string): void {
    this.#entries.delete(key);
  }

  /** The next pod to try, now in flight; undefined when none is due. */
  take(): QueuedPod | undefined {
    this.#promoteDue();
    let best: QueuedPod | undefined;
    for (const { queued, place } of this.#entries.values()) {
      if (place === "active" && (best === undefined || isBefore(queued, best))) best = queued;
    }
    if (best === undefined) return undefined;
    (this.#entries.get(best.key) as { place: Place }).place = "inFlight";
    best.attempts += 1;
    this.#missedEvents = [];
    return best;
  }

  /** A pod in flight has a node. */
  done(key: string): void {
    if (this.#entries.get(key)?.place === "inFlight") this.#entries.delete(key);
  }

  /** A pod in flight found no node. */
  requeueRejected(key: string, rejectedBy: ReadonlySet<string>): void {
    const entry = this.#entries.get(key);
    if (entry?.place !== "inFlight") return;
    entry.queued.rejectedBy = rejectedBy;
    entry.queued.failedAtMs = this.options.clock.monotonicMs();
    entry.place = this.#missedEvents.some((event) => this.#isWokenBy(entry.queued, event))
      ? this.#afterWake(entry.queued)
      : "unschedulable";
  }

  /** A pod in flight met an error that has nothing to do with nodes (the binding was refused, say): tried again after back-off. */
  requeueFailed(key: string): void {
    const entry = this.#entries.get(key);
    if (entry?.place !== "inFlight") return;
    entry.queued.rejectedBy = new Set();
    entry.queued.failedAtMs = this.options.clock.monotonicMs();
    entry.place = "backoff";
  }

  /** Something changed: pods that it may help are tried again. */
  onEvent(event: ClusterEvent): void {
    this.#missedEvents.push(event);
    for (const entry of this.#entries.values()) {
      if (entry.place === "unschedulable" && this.#isWokenBy(entry.queued, event)) entry.place = this.#afterWake(entry.queued);
    }
  }

  /** Milliseconds until a waiting pod becomes due by time alone; undefined: none will. */
  nextDueInMs(): number | undefined {
    const nowMs = this.options.clock.monotonicMs();
    let next: number | undefined;
    for (const { queued, place } of this.#entries.values()) {
      const dueMs =
        place === "active"
          ? nowMs
          : place === "backoff"
            ? this.#backoffEndsMs(queued)
            : place === "unschedulable"
              ? queued.failedAtMs + this.options.unschedulableMaxMs
              : undefined;
      if (dueMs !== undefined) next = Math.min(next ?? Number.POSITIVE_INFINITY, Math.max(0, dueMs - nowMs));
    }
    return next;
  }

  #promoteDue(): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const entry of this.#entries.values()) {
      if (entry.place === "unschedulable" && nowMs - entry.queued.failedAtMs >= this.options.unschedulableMaxMs)
        entry.place = this.#afterWake(entry.queued);
      if (entry.place === "backoff" && nowMs >= this.#backoffEndsMs(entry.queued)) entry.place = "active";
    }
  }

  #afterWake(queued: QueuedPod): Place {
    return this.options.clock.monotonicMs() >= this.#backoffEndsMs(queued) ? "active" : "backoff";
  }

  #backoffEndsMs(queued: QueuedPod): number {
    const { initialBackoffMs, maxBackoffMs } = this.options;
    return queued.failedAtMs + Math.min(maxBackoffMs, initialBackoffMs * 2 ** Math.max(0, queued.attempts - 1));
  }

  #isWokenBy(queued: QueuedPod, event: ClusterEvent): boolean {
    // Rejected by nobody in particular (no nodes at all): everything is worth a try.
    if (queued.rejectedBy.size === 0 || event === "Other") return true;
    return [...queued.rejectedBy].some((name) => this.#wakesOn.get(name)?.has(event) !== false);
  }

  #gate(pod: corev1.Pod): string | undefined {
    for (const plugin of this.options.plugins) {
      const reason = plugin.preEnqueue?.(pod);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }
}

function isBefore(a: QueuedPod, b: QueuedPod): boolean {
  const difference = priorityOf(a.pod) - priorityOf(b.pod);
  return difference === 0 ? a.sequence < b.sequence : difference > 0;
}
