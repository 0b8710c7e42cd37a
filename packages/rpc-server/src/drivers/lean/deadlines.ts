import type { Clock, Timer } from "@lenj/base";

interface Bounded {
  /** On the clock's monotonic scale; undefined: none. */
  deadlineMs: number | undefined;
}

/** One timer for the deadlines of all calls of a connection: most calls have ended long before, and then nothing has to be cancelled. */
export class Deadlines<Call extends Bounded> {
  #timer: Timer | undefined;
  #nextMs = Number.POSITIVE_INFINITY;

  /** @param calls those that are open. */
  constructor(
    private readonly clock: Clock,
    private readonly calls: () => Iterable<Call>,
    private readonly onPassed: (call: Call) => void,
  ) {}

  watch(call: Call, timeoutMs: number): void {
    call.deadlineMs = this.clock.monotonicMs() + timeoutMs;
    if (call.deadlineMs < this.#nextMs) this.#arm(call.deadlineMs);
  }

  close(): void {
    this.#timer?.cancel();
  }

  #arm(dueMs: number): void {
    this.#timer?.cancel();
    this.#nextMs = dueMs;
    // What a client may ask for is longer than a timer can be.
    const delayMs = Math.min(2 ** 31 - 1, Math.max(0, dueMs - this.clock.monotonicMs()));
    this.#timer = this.clock.after(delayMs, () => this.#onTimer());
  }

  #onTimer(): void {
    const nowMs = this.clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    const passed: Call[] = [];
    for (const call of this.calls()) {
      if (call.deadlineMs === undefined) continue;
      if (call.deadlineMs <= nowMs) passed.push(call);
      else nextMs = Math.min(nextMs, call.deadlineMs);
    }
    this.#nextMs = nextMs;
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
    for (const call of passed) {
      call.deadlineMs = undefined;
      this.onPassed(call);
    }
  }
}
