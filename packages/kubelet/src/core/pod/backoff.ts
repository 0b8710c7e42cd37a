// Exponential delays per key: 10 s doubling to 5 min between restarts of a container or pulls of an image.
//
// B1. The first event of a key is never delayed.
// B2. A key that was quiet for twice the maximum (10 min) starts again from the beginning.
// Source: client-go flowcontrol.Backoff as the kubelet uses it.

interface Entry {
  delayMs: number;
  updatedAtMs: number;
}

export class Backoff {
  readonly #entries = new Map<string, Entry>();
  readonly #initialMs: number;
  readonly #maxMs: number;

  constructor(options: { readonly initialMs: number; readonly maxMs: number } = { initialMs: 10_000, maxMs: 300_000 }) {
    this.#initialMs = options.initialMs;
    this.#maxMs = options.maxMs;
  }

  /** The current delay of `key` in milliseconds; 0 when it has none. */
  delayMs(key: string): number {
    return this.#entries.get(key)?.delayMs ?? 0;
  }

  /** When something that last happened at `eventMs` may happen again, or undefined when it may now (B1, B2). */
  blockedUntilMs(key: string, eventMs: number, nowMs: number): number | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#isExpired(entry, eventMs)) return undefined;
    const untilMs = eventMs + entry.delayMs;
    return nowMs < untilMs ? untilMs : undefined;
  }

  /** Records that it happened again: the next wait is twice this one. */
  next(key: string, eventMs: number, nowMs: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#isExpired(entry, eventMs)) {
      this.#entries.set(key, { delayMs: this.#initialMs, updatedAtMs: nowMs });
      return;
    }
    entry.delayMs = Math.min(entry.delayMs * 2, this.#maxMs);
    entry.updatedAtMs = nowMs;
  }

  reset(key: string): void {
    this.#entries.delete(key);
  }

  /** Forgets keys that have been quiet for long; call now and then. */
  collect(nowMs: number): void {
    for (const [key, entry] of this.#entries) {
      if (this.#isExpired(entry, nowMs)) this.#entries.delete(key);
    }
  }

  #isExpired(entry: Entry, eventMs: number): boolean {
    return eventMs - entry.updatedAtMs > this.#maxMs * 2;
  }
}

/** Go's text of a whole-second delay: "10s", "1m20s", "5m0s". */
export function formatDelay(delayMs: number): string {
  const seconds = Math.round(delayMs / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
