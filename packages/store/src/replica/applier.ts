// Committed entries on their way into the state, and the answers to who waits for them.
//
// Owns:  what is committed and not applied, the applied index.
// Not:   what commands mean (state machine), when it is time to apply (the replica).
// A1. Committed entries are applied in order, each exactly once; the applied index travels with the data.
// A2. Nobody is answered before all that was committed together is applied, and its watchers are told.
import { type Clock, invariant } from "@lenj/base";
import type { KeyEvent, WatchHub } from "@lenj/mvcc";
import { ConfChangeContext } from "@lenj/proto/raft";
import { decodeConfChange, type Entry, type RaftNode } from "@lenj/raft";
import { decodeCommandBody, decodeCommandHeader } from "../core/command.js";
import { StoreError, storeErrorFrom } from "../core/errors.js";
import type { ApplyContext, StateMachine } from "../core/state-machine.js";
import type { DurableBackend, EntryArchive, NextTurn } from "./ports.js";
import type { Proposals } from "./proposals.js";
import type { ReadPoints } from "./read-points.js";
import { AppliedBatch, type RequestTimes } from "./request-times.js";

/** How far a state has come. */
export interface Applied {
  readonly index: number;
  readonly term: number;
}

export interface ApplierParts {
  readonly memberID: bigint;
  readonly electionMs: number;
  readonly clock: Clock;
  readonly nextTurn: NextTurn;
  readonly node: RaftNode;
  readonly state: StateMachine;
  readonly backend: DurableBackend;
  readonly archive: EntryArchive | undefined;
  readonly times: RequestTimes | undefined;
  readonly proposals: Proposals;
  readonly reads: ReadPoints;
  readonly watches: WatchHub;
  readonly isLeader: () => boolean;
  /** What could not be applied for want of room can be now. */
  readonly onRoom: () => void;
  readonly onMembershipChanged: (isSelfRemoved: boolean) => void;
}

export class Applier {
  #queue: Entry[] = [];
  #committedMs = 0;
  #applied: Applied;

  constructor(
    private readonly parts: ApplierParts,
    applied: Applied,
  ) {
    this.#applied = { ...applied };
  }

  get applied(): Applied {
    return this.#applied;
  }

  /** Entries that are committed and not applied. */
  get backlog(): number {
    return this.#queue.length;
  }

  add(entries: readonly Entry[]): void {
    if (this.#queue.length === 0 && entries.length > 0) this.#committedMs = this.parts.clock.monotonicMs();
    for (const entry of entries) this.#queue.push(entry);
  }

  /** Applies all there is, unless the backend has no room. Returns whether there was something to apply. */
  run(): boolean {
    const { backend, clock, node, state, watches, reads, times } = this.parts;
    if (this.#queue.length === 0) return false;
    if (backend.isCongested) {
      backend.flush().then(this.parts.onRoom, () => {}); // onFailure has told the owner.
      return false;
    }
    const entries = this.#queue;
    this.#queue = [];
    const events: KeyEvent[] = [];
    const nowMs = clock.monotonicMs();
    const settle: (() => void)[] = [];
    const batch = new AppliedBatch(this.#committedMs, nowMs);
    for (const entry of entries) {
      invariant(entry.index === this.#applied.index + 1, () => `entry ${entry.index} follows ${this.#applied.index}`);
      this.#applied = { index: entry.index, term: entry.term };
      if (entry.type === "confChange") settle.push(this.#applyMembership(entry, batch));
      else if (entry.data.length > 0) settle.push(this.#applyCommand(entry, { nowMs, events, index: entry.index }, batch));
      this.parts.archive?.append(entry, state.space.currentRevision);
      if (times !== undefined) times.onApplied(batch, entry, clock.monotonicMs());
    }
    backend.setApplied(this.#applied.index, this.#applied.term);
    node.onApplied(this.#applied.index);
    this.#maybePromoteLeases(nowMs);
    if (events.length > 0) watches.notify(events);
    if (times !== undefined) this.#noteAnswers(times, batch);
    for (const one of settle) one();
    reads.onApplied(this.#applied.index);
    return true;
  }

  /** A new leader counts from all that its predecessors have written down: not before it has applied an entry of its own. */
  #maybePromoteLeases(nowMs: number): void {
    const { isLeader, node, electionMs } = this.parts;
    const { leases } = this.parts.state;
    if (isLeader() && !leases.isPrimary && this.#applied.term === node.status().term) leases.promote(nowMs, electionMs);
  }

  /** Returns how to tell whoever waits; told after the whole batch is applied. */
  #applyCommand(entry: Entry, context: ApplyContext, batch: AppliedBatch): () => void {
    const { memberID, proposals, state } = this.parts;
    const header = decodeCommandHeader(entry.data);
    const pending = header.memberID === memberID ? proposals.take(header.requestNumber) : undefined;
    if (pending !== undefined) batch.add(pending, entry.index);
    try {
      const answer = state.apply(pending?.command ?? decodeCommandBody(entry.data), context);
      return () => pending?.resolve(answer);
    } catch (error) {
      const expected = storeErrorFrom(error);
      if (!(expected instanceof StoreError) || expected.code === "DATA_DAMAGED") throw error;
      return () => pending?.reject(expected);
    }
  }

  #applyMembership(entry: Entry, batch: AppliedBatch): () => void {
    const { memberID, node, proposals, state } = this.parts;
    const change = decodeConfChange(entry.data);
    const context = ConfChangeContext.decode(Buffer.from(change.context));
    const pending = proposals.takeMembership(context);
    if (pending !== undefined) batch.add(pending, entry.index);
    const single = change.changes[0];
    if (single === undefined && node.status().confState.votersOutgoing.length > 0) node.applyConfChange(change); // leaves it
    if (single === undefined) return () => pending?.reject(new StoreError("MEMBER_NOT_FOUND"));
    try {
      state.members.checkChange(single, context);
    } catch (error) {
      return () => pending?.reject(error);
    }
    state.members.applyChange(single, context);
    node.applyConfChange(change);
    this.parts.onMembershipChanged(single.type === "remove" && single.memberID === memberID);
    return () => pending?.resolve({ kind: "done", revision: 0 });
  }

  /** All answers that this turn gives are on their way when the next one begins. */
  #noteAnswers(times: RequestTimes, batch: AppliedBatch): void {
    const { clock, nextTurn } = this.parts;
    const appliedIndex = this.#applied.index;
    if (batch.marks.length === 0) {
      times.forget(appliedIndex);
      return;
    }
    batch.fannedOutMs = clock.monotonicMs();
    nextTurn(() => {
      times.onAnswered(batch, clock.monotonicMs());
      times.forget(appliedIndex);
    });
  }
}
