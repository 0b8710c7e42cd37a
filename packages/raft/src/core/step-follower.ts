import { invariant, unreachable } from "@lenj/base";
import {
  type AppMessage,
  type HeartbeatMessage,
  type LogIndex,
  type MemberID,
  type Message,
  noMember,
  type PropMessage,
  type SnapMessage,
  type Snapshot,
} from "../types.js";
import { maybeCampaign } from "./election.js";
import type { RaftCore } from "./raft-core.js";
import type { FollowerRole } from "./role.js";

export function stepFollower(core: RaftCore, role: FollowerRole, message: Message): void {
  switch (message.type) {
    case "app":
      onLeaderHeard(core, role, message.from);
      onAppend(core, message);
      break;
    case "heartbeat":
      onLeaderHeard(core, role, message.from);
      onHeartbeat(core, message);
      break;
    case "snap":
      onLeaderHeard(core, role, message.from);
      onSnapshot(core, message);
      break;
    case "prop":
      if (!core.config.disableProposalForwarding) onProposal(core, role, message);
      break;
    case "transferLeader":
      forward(core, role, message);
      break;
    case "readIndex":
      forward(core, role, message);
      break;
    case "readIndexResp":
      core.readStates.push({ index: message.index, context: message.context });
      break;
    case "timeoutNow":
      // The leader wants us to lead: no pre-vote, which the lease of the others would refuse.
      maybeCampaign(core, "transfer");
      break;
    case "appResp":
    case "heartbeatResp":
    case "voteResp":
    case "preVoteResp":
    case "vote":
    case "preVote":
      break;
    default:
      unreachable(message);
  }
}

/** The sender took us for the leader. By now it may lead itself. */
function onProposal(core: RaftCore, role: FollowerRole, message: PropMessage): void {
  if (role.leaderID === noMember) core.heldProposals.hold(message, core.ticks);
  else sendOn(core, role.leaderID, message);
}

/** Comes to an end: who leads a term, or knows its leader, is never behind that term, and only a newer one makes it send on in turn. */
function sendOn(core: RaftCore, leaderID: MemberID, message: PropMessage): void {
  core.send({ ...message, from: core.id, to: leaderID });
}

/** Sends a request on to the leader, if one is known and it is not the leader that sent it here. */
export function forward(core: RaftCore, role: FollowerRole, message: Message): void {
  if (role.leaderID === noMember || role.leaderID === message.from) return;
  core.send({ ...message, to: role.leaderID });
}

function onLeaderHeard(core: RaftCore, role: FollowerRole, leaderID: bigint): void {
  invariant(
    role.leaderID === noMember || role.leaderID === leaderID,
    () => `Election Safety: term ${core.term} has leaders ${role.leaderID} and ${leaderID}`,
  );
  core.restartElectionTimer();
  role.leaderID = leaderID;
  if (!core.heldProposals.isEmpty) for (const message of core.heldProposals.take(core.ticks)) sendOn(core, leaderID, message);
}

/** AppendEntries, §5.3. */
function onAppend(core: RaftCore, message: AppMessage): void {
  const { log } = core;
  if (message.index < log.committed) {
    // Old news: what is committed matches by definition.
    sendAccepted(core, message.from, log.committed);
    return;
  }
  const lastNew = log.maybeAppend(message.index, message.logTerm, message.entries, message.commit);
  if (lastNew !== undefined) {
    sendAccepted(core, message.from, lastNew);
    return;
  }
  const hint = log.findConflictByTerm(Math.min(message.index, log.lastIndex()), message.logTerm);
  core.sendAfterPersist({
    type: "appResp",
    from: core.id,
    to: message.from,
    term: core.term,
    index: message.index,
    reject: true,
    rejectHint: hint.index,
    logTerm: hint.term,
  });
}

function onHeartbeat(core: RaftCore, message: HeartbeatMessage): void {
  core.log.commitTo(message.commit);
  // Not held back for the disk: it vouches for nothing durable, and a slow disk shall not look like a dead member.
  core.send({ type: "heartbeatResp", from: core.id, to: message.from, term: core.term, round: message.round });
}

function onSnapshot(core: RaftCore, message: SnapMessage): void {
  const restored = maybeRestore(core, message.snapshot);
  sendAccepted(core, message.from, restored ? core.log.lastIndex() : core.log.committed);
}

/** Thesis §5: takes the snapshot unless the log already has its last entry; then only the commit index moves. */
function maybeRestore(core: RaftCore, snapshot: Snapshot): boolean {
  const { index, term } = snapshot.metadata;
  const { log } = core;
  if (index <= log.committed) return false;
  if (log.matchesTerm(index, term)) {
    log.commitTo(index);
    return false;
  }
  // It may be older than our own admission, which then follows in the log: no reason to refuse it, as upstream does.
  log.restore(snapshot);
  core.config.logger.info("Restoring snapshot", { member: core.id.toString(), index, term });
  return true;
}

function sendAccepted(core: RaftCore, to: bigint, index: LogIndex): void {
  core.sendAfterPersist({ type: "appResp", from: core.id, to, term: core.term, index, reject: false, rejectHint: 0, logTerm: 0 });
}
