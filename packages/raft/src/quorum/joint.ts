import type { ConfState, LogIndex, MemberID } from "../types.js";
import { majorityReached, majorityVote, type VoteResult } from "./majority.js";

// In a joint configuration every decision needs a majority of the incoming and one of the outgoing voters (thesis §4.3).

/** Largest number that a quorum of the membership has reached. */
export function quorumReached(membership: ConfState, reachedBy: (id: MemberID) => LogIndex): LogIndex {
  const incoming = majorityReached(membership.voters, reachedBy);
  if (membership.votersOutgoing.length === 0) return incoming;
  return Math.min(incoming, majorityReached(membership.votersOutgoing, reachedBy));
}

export function quorumVote(membership: ConfState, votes: ReadonlyMap<MemberID, boolean>): VoteResult {
  const incoming = majorityVote(membership.voters, votes);
  const outgoing = majorityVote(membership.votersOutgoing, votes);
  if (incoming === outgoing) return incoming;
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return "pending";
}
