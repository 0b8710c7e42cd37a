// Watches what members do and stops the run when a guarantee of Raft is broken.
//
// Election Safety:      a term has at most one leader.
// Vote Once:            a member votes for one member per term, across restarts.
// Leader Completeness:  a new leader has every entry known to be committed.
// State Machine Safety: all members apply the same entry at an index, in order, without a gap.
// Log Matching:         two logs that agree on the term at an index agree on all before it.
// Commit Monotonic, Term Monotonic: within an incarnation; the term also across restarts as far as it was promised to others.
// Source: Raft paper, figure 3.

import type { Entry, MemberID, Message, RaftNode, RaftStorage, Ready } from "@lenj/raft";
import { Violation } from "../world/violation.js";

/** What a checked member shows of itself. */
export interface ObservedMember {
  readonly id: MemberID;
  readonly isUp: boolean;
  readonly node: Pick<RaftNode, "status"> | undefined;
  /** Its log, as far as it is durable. */
  readonly memory: Pick<RaftStorage, "firstIndex" | "lastIndex" | "term"> | undefined;
  readonly applied: number;
  /** Canonical text of the state at `applied`; undefined when it cannot be told now. */
  describeState(): string | undefined;
}

interface MemberRecord {
  term: number;
  commit: number;
  applied: number;
  /** Term it has spoken for in messages that needed a durable term. */
  promisedTerm: number;
}

export class RaftInvariants<Member extends ObservedMember> {
  /** Every entry that some member has applied: the one true history. */
  readonly #history: Entry[] = [];
  /** Term of the member that first applied each: it was committed in that term or before. */
  readonly #committedBy: number[] = [];
  readonly #states = new Map<number, string>();
  readonly #leaders = new Map<number, MemberID>();
  readonly #votes = new Map<string, MemberID>();
  readonly #members = new Map<MemberID, MemberRecord>();
  elections = 0;
  snapshots = 0;
  /** Sees every Ready that broke no rule. */
  onReadyChecked: ((member: Member, ready: Ready) => void) | undefined;

  /** Every committed entry, in order. */
  get history(): readonly Entry[] {
    return this.#history;
  }

  get committed(): number {
    return this.#history.length;
  }

  onRestart(member: Member): void {
    const status = member.node?.status();
    const before = this.#members.get(member.id);
    const term = status?.term ?? 0;
    if (before !== undefined && term < before.promisedTerm) {
      throw new Violation("Term Monotonic", `member ${member.id} restarted in term ${term} after speaking for ${before.promisedTerm}`);
    }
    this.#members.set(member.id, { term, commit: 0, applied: member.applied, promisedTerm: before?.promisedTerm ?? 0 });
  }

  onReady(member: Member, ready: Ready): void {
    const record = this.#record(member);
    if (ready.hardState !== undefined) {
      const { term, commit } = ready.hardState;
      if (term < record.term) throw new Violation("Term Monotonic", `member ${member.id} went from ${record.term} to ${term}`);
      if (commit < record.commit) throw new Violation("Commit Monotonic", `member ${member.id} went from ${record.commit} to ${commit}`);
      record.term = term;
      record.commit = commit;
    }
    if (ready.softState?.role === "leader") this.#onLeader(member, record.term);
    this.onReadyChecked?.(member, ready);
  }

  onMessageSent(member: Member, message: Message): void {
    const record = this.#record(member);
    if (message.type === "appResp" || message.type === "vote" || message.type === "voteResp") {
      record.promisedTerm = Math.max(record.promisedTerm, message.term);
    }
    if (message.type === "vote") this.#onVote(member.id, message.term, member.id);
    if (message.type === "voteResp" && !message.reject) this.#onVote(member.id, message.term, message.to);
  }

  onApplied(member: Member, entry: Entry): void {
    const record = this.#record(member);
    if (entry.index !== record.applied + 1) {
      throw new Violation("State Machine Safety", `member ${member.id} applied ${entry.index} after ${record.applied}`);
    }
    record.applied = entry.index;
    const known = this.#history[entry.index - 1];
    if (known === undefined) {
      if (entry.index !== this.#history.length + 1)
        throw new Violation("State Machine Safety", `${entry.index} committed, the one before is unknown`);
      this.#history.push(entry);
      this.#committedBy.push(record.term);
    } else if (known.term !== entry.term || known.type !== entry.type || Buffer.compare(known.data, entry.data) !== 0) {
      throw new Violation(
        "State Machine Safety",
        `member ${member.id} applied ${entry.index} of term ${entry.term}, others of term ${known.term}`,
      );
    }
  }

  onSnapshotRestored(member: Member, index: number, state: string): void {
    this.snapshots += 1;
    this.#record(member).applied = index;
    this.#checkState(member, index, state);
  }

  /** Compares all running members with each other. */
  checkAll(members: readonly Member[]): void {
    const running = members.filter((member) => member.isUp);
    for (const member of running) this.#checkState(member, member.applied, member.describeState());
    for (let i = 0; i < running.length; i += 1) {
      for (let j = i + 1; j < running.length; j += 1) checkLogMatching(running[i] as Member, running[j] as Member);
    }
  }

  #onLeader(member: Member, term: number): void {
    const other = this.#leaders.get(term);
    if (other === member.id) return;
    if (other !== undefined) throw new Violation("Election Safety", `term ${term} has leaders ${other} and ${member.id}`);
    this.#leaders.set(term, member.id);
    this.elections += 1;
    const { memory } = member;
    if (memory === undefined) return;
    for (let index = Math.max(1, memory.firstIndex()); index <= this.#history.length; index += 1) {
      // A member that was asleep may see its election after a later leader has committed more.
      if ((this.#committedBy[index - 1] as number) >= term) break;
      const own = memory.term(index);
      if (own !== this.#history[index - 1]?.term) {
        throw new Violation(
          "Leader Completeness",
          `leader ${member.id} of term ${term} has term ${own} at committed ${index}, not ${this.#history[index - 1]?.term}`,
        );
      }
    }
  }

  #onVote(voter: MemberID, term: number, candidate: MemberID): void {
    const key = `${voter} ${term}`;
    const before = this.#votes.get(key);
    if (before !== undefined && before !== candidate)
      throw new Violation("Vote Once", `member ${voter} voted for ${before} and ${candidate} in term ${term}`);
    this.#votes.set(key, candidate);
  }

  #checkState(member: Member, index: number, state: string | undefined): void {
    if (state === undefined) return;
    const known = this.#states.get(index);
    if (known !== undefined && known !== state)
      throw new Violation("State Machine Safety", `state of member ${member.id} at ${index} differs from another's`);
    this.#states.set(index, state);
  }

  #record(member: Member): MemberRecord {
    return this.#members.get(member.id) as MemberRecord;
  }
}

function checkLogMatching(a: ObservedMember, b: ObservedMember): void {
  if (a.memory === undefined || b.memory === undefined) return;
  const low = Math.max(a.memory.firstIndex(), b.memory.firstIndex());
  let agree = false;
  for (let index = Math.min(a.memory.lastIndex(), b.memory.lastIndex()); index >= low; index -= 1) {
    const same = a.memory.term(index) === b.memory.term(index);
    if (agree && !same) throw new Violation("Log Matching", `members ${a.id} and ${b.id} agree after ${index} but not at it`);
    agree = same;
  }
}
