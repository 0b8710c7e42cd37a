// Entry of every message: first its term is reconciled with ours, then its role's handler sees it.

import { unreachable } from "@lenj/base";
import type { Message } from "../types.js";
import { commitNews, maybeCommitByVote, onVoteRequest } from "./election.js";
import { keepsLeasePromise } from "./leader-lease.js";
import type { RaftCore } from "./raft-core.js";
import { stepCandidate } from "./step-candidate.js";
import { stepFollower } from "./step-follower.js";
import { stepLeader } from "./step-leader.js";

export function step(core: RaftCore, message: Message): void {
  if (message.type === "vote" || message.type === "preVote" || message.type === "voteResp" || message.type === "preVoteResp") {
    maybeCommitByVote(core, message);
  }
  // Proposals and read requests are not bound to a term.
  if (message.term > 0) {
    if (message.term > core.term && !onHigherTerm(core, message)) return;
    if (message.term < core.term) {
      onLowerTerm(core, message);
      return;
    }
  }
  if (message.type === "vote" || message.type === "preVote") {
    onVoteRequest(core, message);
    return;
  }
  switch (core.role.name) {
    case "follower":
      stepFollower(core, core.role, message);
      break;
    case "preCandidate":
    case "candidate":
      stepCandidate(core, core.role, message);
      break;
    case "leader":
      stepLeader(core, core.role, message);
      break;
    default:
      unreachable(core.role);
  }
}

/** §5.1: a newer term makes us a follower in it, with the exceptions below. False when the message is to be ignored. */
function onHigherTerm(core: RaftCore, message: Message): boolean {
  const { type, term, from } = message;
  if (type === "vote" || type === "preVote") {
    // §4.2.3 of the thesis: a member that hears a leader does not help to unseat it, unless that leader asked for it.
    if (keepsLeasePromise(core) && !message.transfer) return false;
  }
  // Pre-votes talk about a term that has not begun.
  if (type === "preVote" || (type === "preVoteResp" && !message.reject)) return true;
  const isFromLeader = type === "app" || type === "heartbeat" || type === "snap";
  if (isFromLeader) core.transitionToFollower(term, from);
  else core.observeTerm(term);
  return true;
}

function onLowerTerm(core: RaftCore, message: Message): void {
  const { type, from } = message;
  const { checkQuorum, preVote } = core.config;
  if ((checkQuorum || preVote) && (type === "heartbeat" || type === "app" || type === "snap")) {
    // We cannot disrupt the old leader by campaigning (it ignores votes within its lease, or we pre-vote), so tell it our term: else a
    // member that came back with a higher term could never rejoin.
    core.sendAfterPersist({
      type: "appResp",
      from: core.id,
      to: from,
      term: core.term,
      index: 0,
      reject: false,
      rejectHint: 0,
      logTerm: 0,
    });
  } else if (type === "preVote") {
    // Tell a member that fell behind; without this two of them with different terms may dead-lock.
    core.sendAfterPersist({ type: "preVoteResp", from: core.id, to: from, term: core.term, reject: true, ...commitNews(core) });
  }
}
