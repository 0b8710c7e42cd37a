// Decides what becomes of an observed event: a new Event object, a higher count on an old one, or nothing.
//
// C1. Similar events (same source, object, type, reason) with ten or more different messages within ten minutes are
//     folded into one whose message says so.
// C2. Equal events raise the count of the first one.
// C3. One source and object may write 25 events at once and then one every five minutes; the rest is dropped.
// Memory is bounded: the oldest of ENTRIES_MAX keys is forgotten, which at worst makes a new Event object.
// Upstream: client-go tools/record/events_cache.go.
import type { corev1 } from "@lenj/proto/k8s";

const ENTRIES_MAX = 4096;
const AGGREGATE_WITHIN_MS = 600_000;
const AGGREGATE_AT_MESSAGES = 10;
const BURST = 25;
const REFILL_PER_MS = 1 / 300_000;

export interface ObservedEvent {
  readonly object: corev1.ObjectReference;
  readonly source: corev1.EventSource;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly nowMs: number;
}

export type EventDecision =
  | { readonly verb: "drop" }
  | { readonly verb: "create"; readonly key: string; readonly message: string }
  | { readonly verb: "update"; readonly key: string; readonly message: string; readonly name: string; readonly count: number };

interface Aggregate {
  messages: Set<string>;
  lastMs: number;
}
interface Written {
  name: string;
  count: number;
}
interface Bucket {
  tokens: number;
  atMs: number;
}

export class EventCorrelator {
  readonly #aggregates = new Map<string, Aggregate>();
  readonly #written = new Map<string, Written>();
  readonly #buckets = new Map<string, Bucket>();

  decide(event: ObservedEvent): EventDecision {
    const { message, isAggregate } = this.#aggregate(event);
    if (!this.#takeToken(event)) return { verb: "drop" };
    const key = isAggregate ? groupKey(event) : `${groupKey(event)}|${event.message}`;
    const written = this.#written.get(key);
    if (written === undefined) return { verb: "create", key, message };
    return { verb: "update", key, message, name: written.name, count: written.count + 1 };
  }

  /** The Event object that now stands for `key`. */
  onWritten(key: string, written: { readonly name: string; readonly count: number }): void {
    remember(this.#written, key, { ...written });
  }

  /** The Event object for `key` is gone from the server (its hour passed). */
  onGone(key: string): void {
    this.#written.delete(key);
  }

  #aggregate(event: ObservedEvent): { message: string; isAggregate: boolean } {
    const key = groupKey(event);
    let aggregate = this.#aggregates.get(key);
    if (aggregate === undefined || event.nowMs - aggregate.lastMs > AGGREGATE_WITHIN_MS) aggregate = { messages: new Set(), lastMs: 0 };
    aggregate.lastMs = event.nowMs;
    if (aggregate.messages.size < AGGREGATE_AT_MESSAGES) aggregate.messages.add(event.message);
    remember(this.#aggregates, key, aggregate);
    const isAggregate = aggregate.messages.size >= AGGREGATE_AT_MESSAGES;
    return { isAggregate, message: isAggregate ? `(combined from similar events): ${event.message}` : event.message };
  }

  #takeToken(event: ObservedEvent): boolean {
    const key = spamKey(event);
    const bucket = this.#buckets.get(key) ?? { tokens: BURST, atMs: event.nowMs };
    bucket.tokens = Math.min(BURST, bucket.tokens + (event.nowMs - bucket.atMs) * REFILL_PER_MS);
    bucket.atMs = event.nowMs;
    remember(this.#buckets, key, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}

function spamKey({ source, object }: ObservedEvent): string {
  return [source.component, source.host, object.kind, object.namespace, object.name, object.uid, object.apiVersion].join("|");
}

function groupKey(event: ObservedEvent): string {
  return [spamKey(event), event.object.fieldPath, event.type, event.reason].join("|");
}

/** Sets and moves to the young end; drops the oldest beyond the limit. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > ENTRIES_MAX) {
    const [oldest] = map.keys();
    if (oldest !== undefined) map.delete(oldest);
  }
}
