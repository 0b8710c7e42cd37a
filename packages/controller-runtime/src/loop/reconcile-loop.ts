// Reconcile loop: takes names from a work queue and brings the world closer to what each object asks for.
//
// L1. No reconcile starts before `isReady()`: deciding on a half-filled cache deletes things.
// L2. One name is never reconciled by two workers at once (the queue sees to it).
// L3. Success forgets the backoff; a thrown error retries with backoff; TerminalError does not retry;
//     `requeueAfterMs` looks again at a known time.
// L4. close() lets running reconciles end within their signal and starts no new one.
import { type Clock, type Logger, TaskGroup } from "@lenj/base";
import { isApiError } from "@lenj/client";
import { noQueueMetrics, type QueueMetrics } from "../queue/queue-metrics.js";
import type { RateLimiter } from "../queue/rate-limiter.js";
import { WorkQueue } from "../queue/work-queue.js";
import { TerminalError } from "./errors.js";

export interface ReconcileResult {
  /** Look at the object again after this time, e.g. when a deadline of its spec passes. */
  readonly requeueAfterMs?: number;
}

/** `name` is "namespace/name" or "name". Throw to retry with backoff. */
export type Reconcile = (name: string, signal: AbortSignal) => Promise<ReconcileResult | void>;

export interface ReconcileLoopOptions {
  /** The controller's name in logs and metrics. */
  readonly name: string;
  readonly reconcile: Reconcile;
  /** Resolves when every cache the reconcile reads is complete. */
  readonly isReady: (signal: AbortSignal) => Promise<void>;
  readonly workers?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: QueueMetrics;
  readonly rateLimiter?: RateLimiter;
}

export class ReconcileLoop {
  readonly name: string;
  readonly queue: WorkQueue;
  readonly #options: ReconcileLoopOptions;
  readonly #logger: Logger;
  readonly #tasks = new TaskGroup();
  #sequence = 0;

  constructor(options: ReconcileLoopOptions) {
    this.name = options.name;
    this.#options = options;
    this.#logger = options.logger.child({ controller: options.name });
    const { clock, rateLimiter, metrics = noQueueMetrics } = options;
    this.queue = new WorkQueue({ clock, metrics, ...(rateLimiter !== undefined && { rateLimiter }) });
  }

  /** Resolves if a worker ends by a bug. */
  get failed(): Promise<Error> {
    return this.#tasks.failed;
  }

  start(): void {
    this.#tasks.run(this.name, async (signal) => {
      await this.#options.isReady(signal);
      // Each worker a task, so that each waits on a signal of its own.
      for (let n = 1; n <= (this.#options.workers ?? 1); n++) this.#tasks.run(`${this.name} worker ${n}`, (own) => this.#work(own));
    });
  }

  close(): Promise<void> {
    this.queue.shutDown();
    return this.#tasks.close();
  }

  async #work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const item = await this.queue.next();
      if (item === undefined) return;
      try {
        await this.#reconcile(item, signal);
      } finally {
        this.queue.done(item);
      }
    }
  }

  async #reconcile(item: string, signal: AbortSignal): Promise<void> {
    const reconcileID = (this.#sequence += 1);
    try {
      const result = await this.#options.reconcile(item, signal);
      this.queue.forget(item);
      if (result?.requeueAfterMs !== undefined) this.queue.addAfter(item, result.requeueAfterMs);
    } catch (error) {
      if (signal.aborted) return;
      const fields = { object: item, reconcileID, error: error instanceof Error ? error.message : String(error) };
      if (error instanceof TerminalError) {
        this.#logger.error("Reconcile failed, will not retry", fields);
        this.queue.forget(item);
        return;
      }
      // An answer of the api-server (conflict, no answer) heals by itself; anything else is worth a stack trace.
      if (isApiError(error)) this.#logger.debug("Reconcile failed, will retry", fields);
      else this.#logger.warn("Reconcile failed, will retry", { ...fields, stack: error instanceof Error ? error.stack : undefined });
      this.queue.addRateLimited(item);
    }
  }
}
