import type { Clock } from "@lenj/base";

/** A bucket of tokens that fills up with time. Looks at the clock only when it is empty. */
export class RateBudget {
  #tokens: number;
  #filledMs: number;

  constructor(
    private readonly clock: Clock,
    private readonly burst: number,
    private readonly perSecond: number,
  ) {
    this.#tokens = burst;
    this.#filledMs = clock.monotonicMs();
  }

  /** False: nothing is left. */
  spend(): boolean {
    if (this.#tokens < 1) {
      const nowMs = this.clock.monotonicMs();
      this.#tokens = Math.min(this.burst, this.#tokens + ((nowMs - this.#filledMs) * this.perSecond) / 1_000);
      this.#filledMs = nowMs;
      if (this.#tokens < 1) return false;
    }
    this.#tokens -= 1;
    return true;
  }

  giveBack(): void {
    if (this.#tokens < this.burst) this.#tokens += 1;
  }
}
