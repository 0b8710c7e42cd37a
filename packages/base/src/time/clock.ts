// The only source of time for every core. Real processes use SystemClock, tests ManualClock, the simulator its own.

/** Handle of a pending timer; `cancel` is idempotent and a no-op after the timer fired. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds on a clock that never goes back; its zero is arbitrary. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch. May jump when the machine's clock is set. */
  wallMs(): number;
  /** Calls `callback` once, `delayMs` from now (0 means: soon, never synchronously). */
  after(delayMs: number, callback: () => void): Timer;
}

/** Resolves after `delayMs`; rejects with `signal.reason` when aborted first. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
