import type { Clock, Timer } from "../time/clock.js";

/** A clock that moves only when told to. Timers fire in order of due time, then of creation. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #sequence = 0;
  #timers: { dueMs: number; sequence: number; callback: () => void }[] = [];

  constructor(readonly epochWallMs = Date.UTC(2026, 0, 1)) {}

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.epochWallMs + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((candidate) => candidate !== timer);
      },
    };
  }

  /** Moves time forward by `ms`, firing every timer that falls due on the way, including ones set by fired timers. */
  advance(ms: number): void {
    const targetMs = this.#nowMs + ms;
    for (let next = this.#earliest(targetMs); next !== undefined; next = this.#earliest(targetMs)) {
      this.#timers = this.#timers.filter((candidate) => candidate !== next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
    }
    this.#nowMs = targetMs;
  }

  /** Milliseconds until the next timer is due, or undefined when none is pending. */
  nextDueInMs(): number | undefined {
    const next = this.#earliest(Number.POSITIVE_INFINITY);
    return next === undefined ? undefined : next.dueMs - this.#nowMs;
  }

  #earliest(limitMs: number): { dueMs: number; sequence: number; callback: () => void } | undefined {
    let best: { dueMs: number; sequence: number; callback: () => void } | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs > limitMs) continue;
      if (best === undefined || timer.dueMs < best.dueMs || (timer.dueMs === best.dueMs && timer.sequence < best.sequence)) {
        best = timer;
      }
    }
    return best;
  }
}
