// How far the caches are, and who waits for them to get further.
import type { Clock, Timer } from "@lenj/base";

interface Waiter {
  readonly revision: number;
  readonly settle: (reached: boolean) => void;
}

/** The revision up to which all caches are complete. */
export class RevisionClock {
  #revision = 0;
  #waiters: Waiter[] = [];

  get revision(): number {
    return this.#revision;
  }

  advance(revision: number): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    if (this.#waiters.length === 0) return;
    const due = this.#waiters.filter((waiter) => waiter.revision <= revision);
    if (due.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > revision);
    for (const waiter of due) waiter.settle(true);
  }

  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /** Resolves with true once `revision` is reached, with false after `timeoutMs`; rejects when aborted. */
  waitFor(revision: number, options: { clock: Clock; timeoutMs: number; signal?: AbortSignal | undefined }): Promise<boolean> {
    if (revision <= this.#revision) return Promise.resolve(true);
    const { clock, timeoutMs, signal } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      let timer: Timer | undefined;
      const settle = (reached: boolean): void => {
        timer?.cancel();
        signal?.removeEventListener("abort", onAbort);
        this.#waiters = this.#waiters.filter((candidate) => candidate !== waiter);
        resolve(reached);
      };
      const onAbort = (): void => {
        timer?.cancel();
        this.#waiters = this.#waiters.filter((candidate) => candidate !== waiter);
        reject(signal?.reason as Error);
      };
      const waiter: Waiter = { revision, settle };
      this.#waiters.push(waiter);
      timer = clock.after(timeoutMs, () => settle(false));
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}
