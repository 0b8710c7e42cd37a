import type { Random } from "@lenj/base";

export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Doubling delays with up to as much jitter again, so that many clients of a restarted server do not come back at once. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #nextMs: number;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.#nextMs = options.initialMs;
  }

  nextMs(): number {
    const base = this.#nextMs;
    this.#nextMs = Math.min(base * 2, this.#options.maxMs);
    return base * (1 + this.#random.next());
  }

  reset(): void {
    this.#nextMs = this.#options.initialMs;
  }
}
