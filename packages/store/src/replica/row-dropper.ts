// Deletes the rows that a compaction freed, a few a turn.
//
// Owns:  the timer, and who waits for the end.
import type { Clock, Timer } from "@lenj/base";
import type { KeySpace } from "@lenj/mvcc";

const rowsPerTurn = 1_000;
/** Between turns, so that requests are served meanwhile. Upstream: compaction-sleep-interval. */
const pauseMs = 10;

export class RowDropper {
  #timer: Timer | undefined;
  #waiters: (() => void)[] = [];
  #closed = false;

  constructor(
    private readonly space: Pick<KeySpace, "hasDroppable" | "dropSome">,
    private readonly clock: Clock,
  ) {}

  /** Begins unless there is nothing to do, or it is at work. */
  maybeStart(): void {
    if (!this.space.hasDroppable || this.#timer !== undefined || this.#closed) return;
    this.#timer = this.clock.after(pauseMs, () => {
      this.#timer = undefined;
      if (this.space.dropSome(rowsPerTurn)) this.maybeStart();
      else this.#release();
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

  #release(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
