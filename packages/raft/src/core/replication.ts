import { entriesBytes } from "../log/raft-log.js";
import { quorumReached } from "../quorum/joint.js";
import type { Progress } from "../tracker/progress.js";
import { type Entry, type HeartbeatMessage, type MemberID, noMember } from "../types.js";
import { noteRoundForLease } from "./leader-lease.js";
import type { RaftCore } from "./raft-core.js";
import { releaseEarlyReads } from "./read-index.js";
import type { LeaderRole } from "./role.js";

const noEntries: readonly Entry[] = [];

/** Adds entries to a leader's log; they reach the followers with the next flush, so that proposals made together travel together. */
export function appendAsLeader(core: RaftCore, role: LeaderRole, proposed: readonly Entry[], bytes: number): void {
  let index = core.log.lastIndex();
  const { term } = core;
  core.log.append(proposed.map((entry) => ({ term, index: ++index, type: entry.type, data: entry.data })));
  role.uncommittedBytes += bytes;
  role.isBroadcastDue = true;
}

/** Sends what is due: appends with new entries or a new commit index, and heartbeats that reads wait for. */
export function flushLeader(core: RaftCore, role: LeaderRole): void {
  if (role.isBroadcastDue) {
    role.isBroadcastDue = false;
    for (const progress of role.progress.values()) sendAppends(core, progress);
  }
  if (role.reads.needsRound) sendHeartbeats(core, role);
}

/** Sends all that the member's window allows; an empty append when only the commit index is news. */
export function sendAppends(core: RaftCore, progress: Progress): void {
  let sent = maybeSendAppend(core, progress, progress.canBumpCommit(core.log.committed));
  while (sent && progress.state === "replicate" && progress.next <= core.log.lastIndex()) sent = maybeSendAppend(core, progress, false);
}

/** Sends one append or, for a member behind the log's start, the snapshot. `sendIfEmpty`: also without entries. */
export function maybeSendAppend(core: RaftCore, progress: Progress, sendIfEmpty: boolean): boolean {
  // A full window must not keep the commit index from the member; an empty append also finds out when all of the window was lost.
  if (progress.isPaused && !(sendIfEmpty && progress.state === "replicate")) return false;
  const { log } = core;
  const index = progress.next - 1;
  const logTerm = log.term(index);
  if (logTerm === undefined || progress.next < log.firstIndex()) return maybeSendSnapshot(core, progress);
  const isThrottled = progress.state === "replicate" && progress.inflights.isFull();
  const entries = isThrottled ? noEntries : log.slice(progress.next, log.lastIndex() + 1, core.config.maxSizePerMessageBytes);
  if (entries.length === 0 && !sendIfEmpty) return false;
  const { committed: commit } = log;
  core.send({ type: "app", from: core.id, to: progress.id, term: core.term, index, logTerm, entries, commit });
  progress.onSent(entries.length, entriesBytes(entries));
  progress.sentCommit = Math.max(progress.sentCommit, Math.min(commit, index + entries.length));
  return true;
}

function maybeSendSnapshot(core: RaftCore, progress: Progress): boolean {
  // Shipping a state to somebody who does not answer would be waste.
  if (!progress.recentActive) return false;
  const snapshot = core.log.snapshot();
  if (snapshot === undefined) return false;
  core.send({ type: "snap", from: core.id, to: progress.id, term: core.term, snapshot });
  progress.transitionToSnapshot(snapshot.metadata.index);
  core.config.logger.info("Sending snapshot", { member: progress.id.toString(), index: snapshot.metadata.index, match: progress.match });
  return true;
}

export function sendHeartbeats(core: RaftCore, role: LeaderRole): void {
  const isLeaseBased = core.config.readOnly === "leaseBased";
  if (isLeaseBased) role.reads.openRound();
  const round = isLeaseBased ? role.reads.newestRound : role.reads.round;
  role.reads.onRoundSent();
  if (isLeaseBased) noteRoundForLease(core, role, round);
  for (const progress of role.progress.values()) {
    // A follower must not learn of a commit past what it is known to have: its log may differ there.
    const commit = Math.min(progress.match, core.log.committed);
    const message: HeartbeatMessage = { type: "heartbeat", from: core.id, to: progress.id, term: core.term, commit, round };
    core.send(message);
  }
}

/** The voter, among those heard of lately, whose log is furthest; noMember when there is none. */
export function bestVoter(core: RaftCore, role: LeaderRole): MemberID {
  let best: Progress | undefined;
  for (const progress of role.progress.values()) {
    if (!progress.recentActive || !core.membership.voters.includes(progress.id)) continue;
    if (best === undefined || progress.match > best.match) best = progress;
  }
  return best?.id ?? noMember;
}

/** Moves the commit index to what a quorum has, if that is of this term (R3). Own entries count once durable (R5). */
export function maybeCommit(core: RaftCore, role: LeaderRole): boolean {
  const { log } = core;
  const reached = quorumReached(core.membership, (id) => (id === core.id ? log.stableIndex() : (role.progress.get(id)?.match ?? 0)));
  if (reached <= log.committed || !core.rules.mayCommitByCounting(log.term(reached), core.term)) return false;
  log.commitTo(reached);
  role.isBroadcastDue = true;
  releaseEarlyReads(core, role);
  return true;
}
