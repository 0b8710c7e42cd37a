import { invariant, unreachable } from "@lenj/base";
import { isVoter } from "../confchange/membership.js";
import { entriesBytes } from "../log/raft-log.js";
import type { Progress } from "../tracker/progress.js";
import { type AppRespMessage, type Entry, type MemberID, type Message, noMember, type PropMessage, type ProposeOutcome } from "../types.js";
import { admitConfChange } from "./membership.js";
import type { RaftCore } from "./raft-core.js";
import { onReadRequest, releaseConfirmedReads } from "./read-index.js";
import { appendAsLeader, maybeCommit, maybeSendAppend, sendAppends } from "./replication.js";
import type { LeaderRole } from "./role.js";

const noData = new Uint8Array(0);

export function stepLeader(core: RaftCore, role: LeaderRole, message: Message): void {
  switch (message.type) {
    case "prop":
      if (role.transferee !== noMember) core.heldProposals.hold(message, core.ticks);
      else onForwardedProposal(core, role, message);
      break;
    case "readIndex":
      onReadRequest(core, role, message);
      break;
    case "transferLeader":
      startTransfer(core, role, message.transferee);
      break;
    case "appResp":
    case "heartbeatResp": {
      const progress = role.progress.get(message.from);
      if (progress === undefined) break;
      progress.recentActive = true;
      if (message.type === "appResp") onAppendAnswer(core, role, progress, message);
      else onHeartbeatAnswer(core, role, progress, message.round);
      break;
    }
    case "app":
    case "heartbeat":
    case "snap":
      invariant(false, () => `Election Safety: term ${core.term} has leaders ${core.id} and ${message.from}`);
      break;
    case "vote":
    case "preVote":
    case "voteResp":
    case "preVoteResp":
    case "readIndexResp":
    case "timeoutNow":
      break;
    default:
      unreachable(message);
  }
}

/** Appends entries to the leader's log if it takes proposals now. Membership changes have been admitted before. */
export function proposeAsLeader(core: RaftCore, role: LeaderRole, entries: readonly Entry[]): ProposeOutcome {
  // Removed while still finishing its term.
  if (!isVoter(core.membership, core.id)) return "notMember";
  if (role.transferee !== noMember) return "transferringLeadership";
  const bytes = entriesBytes(entries);
  // One proposal of any size is let in when nothing is pending, so that a bound too small never stops everything.
  if (bytes > 0 && role.uncommittedBytes > 0 && role.uncommittedBytes + bytes > core.config.maxUncommittedEntriesBytes)
    return "tooManyUncommitted";
  appendAsLeader(core, role, entries, bytes);
  return "appended";
}

/** Takes what was held while nobody took proposals. */
export function takeHeldProposals(core: RaftCore, role: LeaderRole): void {
  if (core.heldProposals.isEmpty || role.transferee !== noMember) return;
  for (const message of core.heldProposals.take(core.ticks)) onForwardedProposal(core, role, message);
}

function onForwardedProposal(core: RaftCore, role: LeaderRole, message: PropMessage): void {
  let position = core.log.lastIndex();
  const before = role.pendingConfIndex;
  const entries = message.entries.map((entry): Entry => {
    position += 1;
    // A refused membership change still takes its slot, as nothing: others of the same message keep their order.
    if (entry.type === "confChange" && !admitConfChange(core, role, entry, position)) return { ...entry, type: "normal", data: noData };
    return entry;
  });
  if (proposeAsLeader(core, role, entries) !== "appended") role.pendingConfIndex = before;
}

function onAppendAnswer(core: RaftCore, role: LeaderRole, progress: Progress, message: AppRespMessage): void {
  if (message.reject) {
    onAppendRejected(core, progress, message);
    return;
  }
  // An answer that brings nothing new still shows a probed member where it matches.
  const isNews = progress.maybeUpdate(message.index) || (progress.match === message.index && progress.state === "probe");
  if (!isNews) return;
  if (progress.state === "probe") progress.transitionToReplicate();
  else if (progress.state === "replicate") progress.inflights.freeThrough(message.index);
  else if (progress.match + 1 >= core.log.firstIndex()) progress.transitionToReplicate();
  maybeCommit(core, role);
  // Others learn a new commit index with the next flush. This one gets what its window has room for again.
  if (!role.isBroadcastDue) sendAppends(core, progress);
  if (role.transferee === progress.id && progress.match === core.log.lastIndex()) sendTimeoutNow(core, progress.id);
}

function onAppendRejected(core: RaftCore, progress: Progress, message: AppRespMessage): void {
  // The follower's hint is the last entry that may match by its terms; ours may rule out more of it.
  const hint = message.logTerm > 0 ? core.log.findConflictByTerm(message.rejectHint, message.logTerm).index : message.rejectHint;
  if (!progress.maybeDecreaseTo(message.index, hint)) return;
  if (progress.state === "replicate") progress.transitionToProbe();
  maybeSendAppend(core, progress, true);
}

function onHeartbeatAnswer(core: RaftCore, role: LeaderRole, progress: Progress, round: number): void {
  progress.isFlowPaused = false;
  // Also repeats what was lost: an append at `next` is refused by a member that misses what came before.
  if (progress.match < core.log.lastIndex() || progress.state === "probe") maybeSendAppend(core, progress, true);
  if (round > progress.ackedRound) {
    progress.ackedRound = round;
    releaseConfirmedReads(core, role);
  }
}

/** Thesis §3.10: stop taking proposals, bring the transferee up to date, then tell it to campaign. */
export function startTransfer(core: RaftCore, role: LeaderRole, transferee: MemberID): void {
  if (transferee === role.transferee || transferee === core.id) return;
  const progress = role.progress.get(transferee);
  // A learner or a stranger cannot lead.
  if (progress === undefined || !core.membership.voters.includes(transferee)) return;
  // Given up after an election timeout from now.
  core.electionElapsedTicks = 0;
  role.transferee = transferee;
  core.config.logger.info("Transferring leadership", { member: core.id.toString(), transferee: transferee.toString(), term: core.term });
  if (progress.match === core.log.lastIndex()) sendTimeoutNow(core, transferee);
  else maybeSendAppend(core, progress, true);
}

function sendTimeoutNow(core: RaftCore, to: MemberID): void {
  if (core.role.name === "leader") core.role.lease.isOffered = true;
  core.send({ type: "timeoutNow", from: core.id, to, term: core.term });
}
