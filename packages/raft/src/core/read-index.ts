import { quorumReached } from "../quorum/joint.js";
import { type LogIndex, noMember, type ReadIndexOutcome } from "../types.js";
import { hasLeaderLease } from "./leader-lease.js";
import type { RaftCore } from "./raft-core.js";
import type { PendingRead } from "./read-queue.js";
import type { LeaderRole } from "./role.js";

/** A read arrives at the leader, its own or a follower's. */
export function onReadRequest(core: RaftCore, role: LeaderRole, read: PendingRead): ReadIndexOutcome {
  if (role.reads.size >= core.config.maxPendingReads) return "tooManyReads";
  if (hasCommittedInTerm(core)) admitRead(core, role, read);
  else role.reads.addEarly(read);
  return "accepted";
}

/** The leader committed in its term: reads that came before may take its commit index. */
export function releaseEarlyReads(core: RaftCore, role: LeaderRole): void {
  for (const read of role.reads.takeEarly()) admitRead(core, role, read);
}

/** Answers the reads whose round a quorum has answered. */
export function releaseConfirmedReads(core: RaftCore, role: LeaderRole): void {
  if (role.reads.round === 0) return;
  const confirmed = quorumReached(core.membership, (id) =>
    id === core.id ? Number.MAX_SAFE_INTEGER : (role.progress.get(id)?.ackedRound ?? 0),
  );
  for (const read of role.reads.takeConfirmed(confirmed)) answerRead(core, read, read.index);
}

function admitRead(core: RaftCore, role: LeaderRole, read: PendingRead): void {
  if (core.isOnlyVoter || hasLeaderLease(core, role)) answerRead(core, read, core.log.committed);
  else role.reads.add(read, core.log.committed);
}

function answerRead(core: RaftCore, { from, context }: PendingRead, index: LogIndex): void {
  if (from === core.id || from === noMember) core.readStates.push({ index, context });
  else core.send({ type: "readIndexResp", from: core.id, to: from, term: core.term, index, context });
}

const hasCommittedInTerm = (core: RaftCore): boolean => core.rules.mayAnswerReads(core.log.term(core.log.committed), core.term);
