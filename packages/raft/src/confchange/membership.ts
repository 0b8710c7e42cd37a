import type { ConfState, MemberID } from "../types.js";

export const emptyMembership: ConfState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

/** The same membership with every list sorted and without duplicates, so that iteration order is the same on all members. */
export function normalizeMembership(membership: ConfState): ConfState {
  return {
    voters: sortedIDs(membership.voters),
    learners: sortedIDs(membership.learners),
    votersOutgoing: sortedIDs(membership.votersOutgoing),
    learnersNext: sortedIDs(membership.learnersNext),
    autoLeave: membership.autoLeave,
  };
}

export function sortedIDs(ids: Iterable<MemberID>): MemberID[] {
  return [...new Set(ids)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

export const isJoint = (membership: ConfState): boolean => membership.votersOutgoing.length > 0;

/** Votes in one of the two halves, hence may lead. */
export const isVoter = (membership: ConfState, id: MemberID): boolean =>
  membership.voters.includes(id) || membership.votersOutgoing.includes(id);

/** Everyone with a vote, sorted. */
export const voterIDs = (membership: ConfState): readonly MemberID[] =>
  isJoint(membership) ? sortedIDs([...membership.voters, ...membership.votersOutgoing]) : membership.voters;

/** Everyone the leader replicates to, sorted. */
export const memberIDs = (membership: ConfState): MemberID[] =>
  sortedIDs([...membership.voters, ...membership.votersOutgoing, ...membership.learners]);
