// Requests that cannot be sent yet: there is no leader, or it hands over.
//
// Owns:  their order, and the one timer by which they are tried again.
// Not:   who waits for them and for how long (pending-requests).
// U1. They go in the order in which they came; one that comes when it can go at once does.
// U2. A try costs the same however many wait: the first that cannot go speaks for all.
// U3. They are tried when they may be able to go, and now and then besides: not all that lets them go is announced.
import type { Clock, Timer } from "@lenj/base";

interface Unsent {
  readonly number: number;
  readonly data: Uint8Array;
}

export class UnsentRequests {
  #queue: Unsent[] = [];
  #timer: Timer | undefined;

  /** `trySend` returns whether the request need not be tried again: it was sent, or nobody waits for it any more. */
  constructor(
    private readonly clock: Clock,
    private readonly retryMs: number,
    private readonly trySend: (number: number, data: Uint8Array) => boolean,
  ) {}

  send(number: number, data: Uint8Array): void {
    if (this.trySend(number, data)) return;
    this.#queue.push({ number, data });
    this.#arm();
  }

  close(): void {
    this.#timer?.cancel();
    this.#queue = [];
  }

  /** Something has changed by which they may be able to go. */
  retry(): void {
    if (this.#queue.length === 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    let sent = 0;
    for (const { number, data } of this.#queue) {
      if (!this.trySend(number, data)) break;
      sent += 1;
    }
    this.#queue.splice(0, sent);
    if (this.#queue.length > 0) this.#arm();
  }

  #arm(): void {
    this.#timer ??= this.clock.after(this.retryMs, () => {
      this.#timer = undefined;
      this.retry();
    });
  }
}
