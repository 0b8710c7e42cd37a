// What has been handed out in Readys and what of it is durable.
//
// D1. Readys are numbered from 1 and acknowledged in that order; acknowledging one acknowledges all before it.
// D2. Each piece of state is handed out once per change: hard and soft state when they differ from the last one handed out, entries by
//     the log's cursor, messages and read states by taking them.

import { invariant } from "@lenj/base";
import type { HardState, LogIndex, MemberID, Message, ReadState, Ready, Role, Term } from "../types.js";
import type { RaftCore } from "./raft-core.js";

interface Write {
  readonly number: number;
  /** When it was handed out. */
  readonly tick: number;
  /** Term in which it carries the member's vote for itself; 0 for none. */
  readonly ownVoteTerm: Term;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const noMessages: readonly Message[] = [];
const noReadStates: readonly ReadState[] = [];

export class ReadyQueue {
  #term: Term;
  #vote: MemberID;
  #commit: LogIndex;
  #leaderID: MemberID;
  #role: Role;
  #number = 0;
  #persistedNumber = 0;
  /** Those with something to fsync that are not durable yet. */
  readonly #writes: Write[] = [];

  constructor(core: RaftCore, persisted: HardState) {
    this.#term = persisted.term;
    this.#vote = persisted.vote;
    this.#commit = persisted.commit;
    this.#leaderID = core.leaderID;
    this.#role = core.role.name;
  }

  hasNext(core: RaftCore): boolean {
    const { log } = core;
    return (
      core.messages.length > 0 ||
      core.messagesAfterPersist.length > 0 ||
      core.readStates.length > 0 ||
      log.unstable.hasNextEntries() ||
      log.unstable.nextSnapshot() !== undefined ||
      log.hasNextCommitted() ||
      this.#isHardStateNew(core) ||
      this.#isSoftStateNew(core)
    );
  }

  take(core: RaftCore): Ready {
    const { log } = core;
    const number = ++this.#number;
    const snapshot = log.unstable.nextSnapshot();
    const entries = log.unstable.nextEntries();
    const mustSync = snapshot !== undefined || entries.length > 0 || core.term !== this.#term || core.vote !== this.#vote;
    const ready: Mutable<Ready> = {
      number,
      entries,
      messages: core.messages.length > 0 ? core.messages : noMessages,
      messagesAfterPersist: core.messagesAfterPersist.length > 0 ? core.messagesAfterPersist : noMessages,
      committedEntries: log.takeCommitted(),
      readStates: core.readStates.length > 0 ? core.readStates : noReadStates,
      mustSync,
    };
    if (snapshot !== undefined) ready.snapshot = snapshot;
    if (this.#isHardStateNew(core)) ready.hardState = { term: core.term, vote: core.vote, commit: log.committed };
    if (this.#isSoftStateNew(core)) ready.softState = { leaderID: core.leaderID, role: core.role.name };
    if (mustSync) this.#writes.push({ number, tick: core.ticks, ownVoteTerm: core.unpersistedVoteTerm });
    log.unstable.onHandedOut(number);
    this.#onTaken(core);
    return ready;
  }

  /** Takes note that Ready `number` is durable. Returns the term in which the member's own vote became so, or 0. */
  onPersisted(number: number): Term {
    invariant(number <= this.#number, () => `D1: Ready ${number} acknowledged, the last one is ${this.#number}`);
    invariant(number >= this.#persistedNumber, () => `D1: Ready ${number} acknowledged after ${this.#persistedNumber}`);
    this.#persistedNumber = number;
    let ownVoteTerm = 0;
    for (let write = this.#writes[0]; write !== undefined && write.number <= number; write = this.#writes[0]) {
      this.#writes.shift();
      if (write.ownVoteTerm > 0) ownVoteTerm = write.ownVoteTerm;
    }
    return ownVoteTerm;
  }

  oldestWriteTicks(now: number): number {
    const oldest = this.#writes[0];
    return oldest === undefined ? 0 : now - oldest.tick;
  }

  #onTaken(core: RaftCore): void {
    this.#term = core.term;
    this.#vote = core.vote;
    this.#commit = core.log.committed;
    this.#leaderID = core.leaderID;
    this.#role = core.role.name;
    if (core.messages.length > 0) core.messages = [];
    if (core.messagesAfterPersist.length > 0) core.messagesAfterPersist = [];
    if (core.readStates.length > 0) core.readStates = [];
  }

  #isHardStateNew(core: RaftCore): boolean {
    return core.term !== this.#term || core.vote !== this.#vote || core.log.committed !== this.#commit;
  }

  #isSoftStateNew(core: RaftCore): boolean {
    return core.leaderID !== this.#leaderID || core.role.name !== this.#role;
  }
}
