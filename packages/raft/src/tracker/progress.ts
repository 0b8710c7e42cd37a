// A leader's view of one member's log.
//
// probe:     next is a guess; one append at a time until one is accepted.
// replicate: appends flow optimistically, up to the inflight window.
// snapshot:  no appends until the snapshot at `pendingSnapshot` has arrived or failed.
//
// P1. match < next.
// P2. In replicate, entries in (match, next) are in flight or lost (a rejection or a report returns to probe).
// P3. Only one append is outstanding in probe; a heartbeat's answer allows another.
// Source: go.etcd.io/raft/v3/tracker/progress.go; thesis §3.5, §10.2.1.

import { invariant } from "@lenj/base";
import type { LogIndex, MemberID, ProgressStatus } from "../types.js";
import { Inflights } from "./inflights.js";

export class Progress {
  match: LogIndex = 0;
  next: LogIndex;
  state: "probe" | "replicate" | "snapshot" = "probe";
  pendingSnapshot: LogIndex = 0;
  /** Highest commit index that an append on its way tells the member about. */
  sentCommit: LogIndex = 0;
  /** Heard from since the last check of the quorum. */
  recentActive: boolean;
  isFlowPaused = false;
  /** Last read-confirming heartbeat round it answered. */
  ackedRound = 0;
  readonly inflights: Inflights;

  constructor(
    readonly id: MemberID,
    options: { next: LogIndex; recentActive: boolean; maxInflightMessages: number; maxInflightBytes: number },
  ) {
    this.next = options.next;
    this.recentActive = options.recentActive;
    this.inflights = new Inflights(options.maxInflightMessages, options.maxInflightBytes);
  }

  get isPaused(): boolean {
    return this.state === "snapshot" || this.isFlowPaused;
  }

  transitionToProbe(): void {
    // After a snapshot it is known to have arrived, so probing starts behind it.
    const next = this.state === "snapshot" ? Math.max(this.match + 1, this.pendingSnapshot + 1) : this.match + 1;
    this.#reset("probe", next);
  }

  transitionToReplicate(): void {
    this.#reset("replicate", this.match + 1);
  }

  transitionToSnapshot(index: LogIndex): void {
    this.#reset("snapshot", index + 1);
    this.pendingSnapshot = index;
    this.sentCommit = index;
  }

  /** The member accepted through `index`. False when that was known already. */
  maybeUpdate(index: LogIndex): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.isFlowPaused = false;
    return true;
  }

  /** The member refused the append after `rejected`, and may match through `hint`. False when the answer is stale. */
  maybeDecreaseTo(rejected: LogIndex, hint: LogIndex): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
    } else {
      if (this.next - 1 !== rejected) return false;
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    }
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    this.isFlowPaused = false;
    return true;
  }

  /** An append of `count` entries from `next` on was sent. */
  onSent(count: number, bytes: number): void {
    if (this.state === "replicate") {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      this.isFlowPaused = this.inflights.isFull();
    } else {
      invariant(this.state === "probe", () => `append sent to ${this.id} in state ${this.state}`);
      this.isFlowPaused = true;
    }
  }

  /** An empty append would tell the member of a commit it does not know yet. */
  canBumpCommit(commit: LogIndex): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  status(isLearner: boolean): ProgressStatus {
    const { match, next, state, recentActive, isPaused, pendingSnapshot } = this;
    return { match, next, state, isLearner, recentActive, isPaused, pendingSnapshot, inflightMessages: this.inflights.count };
  }

  #reset(state: Progress["state"], next: LogIndex): void {
    invariant(this.match < next, () => `P1: match ${this.match} of ${this.id} is not below next ${next}`);
    this.state = state;
    this.next = next;
    this.pendingSnapshot = 0;
    this.isFlowPaused = false;
    this.sentCommit = Math.min(this.sentCommit, next - 1);
    this.inflights.reset();
  }
}
