import type { Clock, Timer } from "@lenj/base";
import type { EventLoop } from "../../world/event-loop.js";

/**
 * One incarnation of a member's process. What it has scheduled dies with it, and waits while the process is stopped (SIGSTOP).
 *
 * P1. Code of a member runs through `run` only; after kill() nothing of it runs any more.
 */
export class SimulatedProcess {
  #isAlive = true;
  #waiting: (() => void)[] | undefined;

  constructor(readonly loop: EventLoop) {}

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.#waiting !== undefined;
  }

  run(action: () => void): void {
    if (!this.#isAlive) return;
    if (this.#waiting === undefined) action();
    else this.#waiting.push(action);
  }

  after(delayMs: number, action: () => void): Timer {
    let isCancelled = false;
    const fire = (): void => {
      if (!isCancelled) this.run(() => (isCancelled ? undefined : action()));
    };
    this.loop.after(delayMs, fire);
    return {
      cancel: () => {
        isCancelled = true;
      },
    };
  }

  /** What falls due meanwhile runs at the end, in order. */
  pause(ms: number): void {
    if (!this.#isAlive || this.#waiting !== undefined) return;
    this.#waiting = [];
    this.loop.after(ms, () => {
      const waiting = this.#waiting ?? [];
      this.#waiting = undefined;
      // One event each: promises of one are over before the next.
      for (const action of waiting) this.loop.after(0, () => this.run(action));
    });
  }

  kill(): void {
    this.#isAlive = false;
    this.#waiting = undefined;
  }
}

/** A member's clocks: they run fast or slow by `rate`, and the monotonic one begins anywhere. */
export class SkewedClock implements Clock {
  readonly #startedMs: number;

  constructor(
    readonly process: SimulatedProcess,
    readonly rate: number,
    readonly zeroMs: number,
  ) {
    this.#startedMs = process.loop.nowMs;
  }

  monotonicMs(): number {
    return this.zeroMs + (this.process.loop.nowMs - this.#startedMs) * this.rate;
  }

  wallMs(): number {
    return Date.UTC(2026, 0, 1) + this.process.loop.nowMs * this.rate;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.process.after(delayMs / this.rate, callback);
  }
}
