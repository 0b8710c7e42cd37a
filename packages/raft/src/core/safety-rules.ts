import type { Term } from "../types.js";

/**
 * The rules of Raft that are easiest to get wrong, each a predicate of one line. They are a parameter of the core only so that the tests
 * can break one on purpose and see that the checkers notice; nothing else passes anything but {@link raftRules}.
 */
export interface SafetyRules {
  /** §5.4.2 (figure 8): a leader commits by counting replicas only entries of its own term. */
  mayCommitByCounting(entryTerm: Term | undefined, currentTerm: Term): boolean;
  /** §5.4.1: a vote goes only to a log that is at least as up to date. */
  mayVoteFor(isUpToDate: boolean): boolean;
  /** §8: a leader knows what is committed only after an entry of its own term is. */
  mayAnswerReads(committedTerm: Term | undefined, currentTerm: Term): boolean;
}

export const raftRules: SafetyRules = {
  mayCommitByCounting: (entryTerm, currentTerm) => entryTerm === currentTerm,
  mayVoteFor: (isUpToDate) => isUpToDate,
  mayAnswerReads: (committedTerm, currentTerm) => committedTerm === currentTerm,
};
