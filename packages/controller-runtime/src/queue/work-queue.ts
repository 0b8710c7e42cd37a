// Work queue: names of objects that need a look, each at most once in line and at most once in work.
//
// Q1. An item added while it is in line is not added again.
// Q2. An item added while in work goes in line when that work is done, so its last change is never missed.
// Q3. A delayed item is in line when its time comes, at the earliest of all times asked for.
// Q4. After shutDown() nothing enters; `next()` hands out what is in line and then ends.
// Bounded by the number of different names. Upstream: client-go util/workqueue.
import type { Clock, Timer } from "@lenj/base";
import { noQueueMetrics, type QueueMetrics } from "./queue-metrics.js";
import { ExponentialRateLimiter, type RateLimiter } from "./rate-limiter.js";

export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly rateLimiter?: RateLimiter;
  readonly metrics?: QueueMetrics;
}

export class WorkQueue {
  readonly #clock: Clock;
  readonly #rateLimiter: RateLimiter;
  readonly #metrics: QueueMetrics;
  /** In line, oldest first, with the time they entered. */
  readonly #line = new Map<string, number>();
  readonly #working = new Map<string, number>();
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { readonly dueMs: number; readonly timer: Timer }>();
  readonly #waiting: ((item: string | undefined) => void)[] = [];
  #isShutDown = false;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#rateLimiter = options.rateLimiter ?? new ExponentialRateLimiter();
    this.#metrics = options.metrics ?? noQueueMetrics;
  }

  /** In line, not counting delayed ones and those in work. */
  get length(): number {
    return this.#line.size;
  }

  add(item: string): void {
    if (this.#isShutDown || this.#line.has(item) || this.#again.has(item)) return;
    this.#metrics.onAdd();
    if (this.#working.has(item)) this.#again.add(item);
    else this.#enterLine(item);
  }

  addAfter(item: string, delayMs: number): void {
    if (this.#isShutDown) return;
    if (delayMs <= 0) {
      this.add(item);
      return;
    }
    const dueMs = this.#clock.monotonicMs() + delayMs;
    const earlier = this.#delayed.get(item);
    if (earlier !== undefined && earlier.dueMs <= dueMs) return;
    earlier?.timer.cancel();
    const timer = this.#clock.after(delayMs, () => {
      this.#delayed.delete(item);
      this.add(item);
    });
    this.#delayed.set(item, { dueMs, timer });
  }

  /** Again after the item's backoff. */
  addRateLimited(item: string): void {
    this.#metrics.onRetry();
    this.addAfter(item, this.#rateLimiter.nextDelayMs(item));
  }

  /** The item succeeded or is given up: its backoff starts anew. */
  forget(item: string): void {
    this.#rateLimiter.forget(item);
  }

  attempts(item: string): number {
    return this.#rateLimiter.attempts(item);
  }

  /** The next item, which is then in work until `done()`; undefined after shutdown. */
  next(): Promise<string | undefined> {
    const [item] = this.#line.keys();
    if (item !== undefined) return Promise.resolve(this.#startWork(item));
    if (this.#isShutDown) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  done(item: string): void {
    const startedMs = this.#working.get(item);
    if (startedMs === undefined) return;
    this.#working.delete(item);
    this.#metrics.onDone(this.#clock.monotonicMs() - startedMs);
    if (this.#again.delete(item)) this.#enterLine(item);
  }

  shutDown(): void {
    this.#isShutDown = true;
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    for (const resolve of this.#waiting.splice(0)) resolve(undefined);
  }

  #enterLine(item: string): void {
    this.#line.set(item, this.#clock.monotonicMs());
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#metrics.onDepth(this.#line.size);
    else waiter(this.#startWork(item));
  }

  #startWork(item: string): string {
    const nowMs = this.#clock.monotonicMs();
    this.#metrics.onStart(nowMs - (this.#line.get(item) ?? nowMs));
    this.#line.delete(item);
    this.#working.set(item, nowMs);
    this.#metrics.onDepth(this.#line.size);
    return item;
  }
}
