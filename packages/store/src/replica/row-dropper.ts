// Deletes the rows that a compaction freed, a few a turn.
//
// Owns:  the timer, who waits for the end, how long it takes.
// D1. Rows are read on the way. What cannot be read is told to the owner, and nothing more is deleted.
import type { Clock, Timer } from "@lenj/base";
import type { KeySpace } from "@lenj/mvcc";
import { CountingHistogram, doubling } from "../core/counting-histogram.js";

const rowsPerTurn = 1_000;
/** Between turns, so that requests are served meanwhile. Upstream: compaction-sleep-interval. */
const pauseMs = 10;

export class RowDropper {
  #timer: Timer | undefined;
  #waiters: (() => void)[] = [];
  #closed = false;
  #startedMs: number | undefined;
  /** How long requests waited each time, and whole compactions took, in milliseconds. Upstream's buckets. */
  readonly pauses = new CountingHistogram(doubling(1, 13));
  readonly totals = new CountingHistogram(doubling(100, 14));

  constructor(
    private readonly space: KeySpace,
    private readonly clock: Clock,
    private readonly onFailed: (error: unknown) => void,
  ) {}

  /** Begins unless there is nothing to do, or it is at work. */
  maybeStart(): void {
    if (!this.space.hasDroppable || this.#timer !== undefined || this.#closed) return;
    this.#timer = this.clock.after(pauseMs, () => {
      this.#timer = undefined;
      this.#dropSome();
    });
  }

  /** Resolves once nothing is left to delete, or this is closed. */
  done(): Promise<void> {
    if (!this.space.hasDroppable) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#release();
  }

  #dropSome(): void {
    const startedMs = this.clock.monotonicMs();
    this.#startedMs ??= startedMs;
    let hasMore: boolean;
    try {
      hasMore = this.space.dropSome(rowsPerTurn);
    } catch (error) {
      this.onFailed(error);
      return;
    }
    const nowMs = this.clock.monotonicMs();
    this.pauses.observe(nowMs - startedMs);
    if (hasMore) {
      this.maybeStart();
      return;
    }
    this.totals.observe(nowMs - this.#startedMs);
    this.#startedMs = undefined;
    this.#release();
  }

  #release(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
