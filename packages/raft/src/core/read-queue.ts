// Reads waiting for proof that their leader still leads.
//
// Q1. A read takes the commit index of the moment it arrives and is answered only once a quorum has answered a heartbeat that was sent
//     after it arrived: its round. Nobody else can then have committed anything newer before it came.
// Q2. Rounds count within one leadership; a heartbeat's answer of another term never gets here.
// Q3. All reads that arrive between two rounds share the next one.
// Source: thesis §6.4; etcd-io/raft read_only.go (which names rounds by the read's own context instead).

import type { LogIndex, MemberID } from "../types.js";

export interface PendingRead {
  /** Whose read it is; the answer goes there. */
  readonly from: MemberID;
  readonly context: Uint8Array;
}

interface IndexedRead extends PendingRead {
  readonly index: LogIndex;
  readonly round: number;
}

export class ReadQueue {
  /** Came before the leader committed in its term, so its commit index may still be behind (§8). */
  #early: PendingRead[] = [];
  #waiting: IndexedRead[] = [];
  #round = 0;
  #isRoundOpen = false;

  get size(): number {
    return this.#early.length + this.#waiting.length;
  }

  /** The newest round that heartbeats carry; 0 when no read waits. */
  get round(): number {
    return this.#waiting.length > 0 ? this.#round : 0;
  }

  get newestRound(): number {
    return this.#round;
  }

  addEarly(read: PendingRead): void {
    this.#early.push(read);
  }

  takeEarly(): readonly PendingRead[] {
    return this.#early.splice(0);
  }

  add(read: PendingRead, index: LogIndex): void {
    this.openRound();
    this.#waiting.push({ from: read.from, context: read.context, index, round: this.#round });
  }

  /** The next heartbeats are a round of their own, with reads or without. */
  openRound(): void {
    if (this.#isRoundOpen) return;
    this.#round += 1;
    this.#isRoundOpen = true;
  }

  /** True when reads wait for heartbeats that have not been sent. */
  get needsRound(): boolean {
    return this.#isRoundOpen && this.#waiting.length > 0;
  }

  /** Heartbeats with `round` were sent; later reads need another one. */
  onRoundSent(): void {
    this.#isRoundOpen = false;
  }

  /** Takes the reads of all rounds through `round`, oldest first. */
  takeConfirmed(round: number): readonly IndexedRead[] {
    let count = 0;
    while (count < this.#waiting.length && (this.#waiting[count] as IndexedRead).round <= round) count += 1;
    return this.#waiting.splice(0, count);
  }
}
