// Linearizable reads: each waits until this member has applied what the cluster had committed when the read arrived.
//
// R1. All reads that wait while a round is under way share the next round; one that arrived after a round began never uses its answer.
// R2. A round unanswered for `retryMs` is asked again under a new context, also after a leader change: asking again is always safe.
// R3. A read is released when the applied index reaches the round's index, not before.
// Source: etcd server/etcdserver/v3_server.go (linearizableReadLoop).
import type { Clock, Random, Timer } from "@lenj/base";
import type { RaftNode, ReadState } from "@lenj/raft";
import { StoreError } from "../core/errors.js";

const retryMs = 500;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly deadlineMs: number;
}

export class ReadPoints {
  #arriving: Waiter[] = [];
  #asking: { readonly waiters: Waiter[]; context: string } | undefined;
  /** Rounds answered, waiting for their index to be applied. */
  #answered: { readonly index: number; readonly waiters: Waiter[]; readonly confirmedMs: number }[] = [];
  /** When the round that was released last had been answered. */
  confirmedMs = 0;
  /** Reads that waited in vain. */
  overdueCount = 0;
  /** Rounds that took a second asking. */
  retriedCount = 0;
  #retry: Timer | undefined;
  #counter = 0;
  readonly #prefix: Uint8Array;

  constructor(
    private readonly node: () => Pick<RaftNode, "readIndex">,
    private readonly clock: Clock,
    random: Random,
    private readonly timeoutMs: number,
    private readonly onWork: () => void,
  ) {
    this.#prefix = random.bytes(12);
  }

  /** Resolves when a read may be served from local state. Rejects with TIMEOUT. */
  wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#arriving.push({ resolve, reject, deadlineMs: this.clock.monotonicMs() + this.timeoutMs });
      if (this.#arriving.length === 1 && this.#asking === undefined) this.onWork();
    });
  }

  /** Starts a round when reads wait and none is under way. Called before the core's output is taken. */
  maybeAsk(): void {
    if (this.#asking !== undefined || this.#arriving.length === 0) return;
    this.#asking = { waiters: this.#arriving, context: "" };
    this.#arriving = [];
    this.#ask();
  }

  onReadStates(states: readonly ReadState[]): void {
    for (const state of states) {
      if (this.#asking === undefined || Buffer.from(state.context).toString("latin1") !== this.#asking.context) continue;
      this.#answered.push({ index: state.index, waiters: this.#asking.waiters, confirmedMs: this.clock.monotonicMs() });
      this.#asking = undefined;
      this.#retry?.cancel();
      // Those that came meanwhile have asked for nothing yet.
      if (this.#arriving.length > 0) this.onWork();
    }
  }

  onApplied(index: number): void {
    while (this.#answered.length > 0 && (this.#answered[0]?.index ?? 0) <= index) {
      const round = this.#answered.shift();
      this.confirmedMs = round?.confirmedMs ?? 0;
      for (const waiter of round?.waiters ?? []) waiter.resolve();
    }
  }

  /** A new leader is known: an open round went to the old one. */
  onLeaderChanged(): void {
    if (this.#asking !== undefined) this.#ask();
  }

  close(error: unknown): void {
    this.#retry?.cancel();
    const waiters = [...this.#arriving, ...(this.#asking?.waiters ?? []), ...this.#answered.flatMap((round) => round.waiters)];
    this.#arriving = [];
    this.#asking = undefined;
    this.#answered = [];
    for (const waiter of waiters) waiter.reject(error);
  }

  #ask(): void {
    const asking = this.#asking;
    if (asking === undefined) return;
    this.#dropOverdue(asking.waiters);
    this.#counter += 1;
    const context = Buffer.alloc(this.#prefix.length + 6);
    context.set(this.#prefix, 0);
    context.writeUIntBE(this.#counter, this.#prefix.length, 6);
    asking.context = context.toString("latin1");
    this.node().readIndex(context);
    this.#retry?.cancel();
    this.#retry = this.clock.after(retryMs, () => {
      this.retriedCount += 1;
      this.#ask();
      this.onWork();
    });
  }

  #dropOverdue(waiters: Waiter[]): void {
    const nowMs = this.clock.monotonicMs();
    const overdue = waiters.filter((waiter) => waiter.deadlineMs <= nowMs);
    if (overdue.length === 0) return;
    const rest = waiters.filter((waiter) => waiter.deadlineMs > nowMs);
    waiters.splice(0, waiters.length, ...rest);
    this.overdueCount += overdue.length;
    for (const waiter of overdue) waiter.reject(new StoreError("TIMEOUT"));
  }
}
