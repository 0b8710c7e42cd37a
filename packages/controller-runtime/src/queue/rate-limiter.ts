/** Says how long an item waits before its next attempt, and forgets it when it succeeded. */
export interface RateLimiter {
  /** Milliseconds; counts this attempt. */
  nextDelayMs(item: string): number;
  forget(item: string): void;
  attempts(item: string): number;
}

export interface ExponentialLimits {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** client-go's DefaultTypedControllerRateLimiter without its overall bucket: 5 ms doubling to 1000 s an item. */
export const CONTROLLER_LIMITS: ExponentialLimits = { baseMs: 5, maxMs: 1_000_000 };

export class ExponentialRateLimiter implements RateLimiter {
  readonly #failures = new Map<string, number>();

  constructor(readonly limits: ExponentialLimits = CONTROLLER_LIMITS) {}

  nextDelayMs(item: string): number {
    const failures = this.#failures.get(item) ?? 0;
    this.#failures.set(item, failures + 1);
    return Math.min(this.limits.baseMs * 2 ** Math.min(failures, 60), this.limits.maxMs);
  }

  forget(item: string): void {
    this.#failures.delete(item);
  }

  attempts(item: string): number {
    return this.#failures.get(item) ?? 0;
  }
}
