import type { LogIndex, MemberID } from "../types.js";

export type VoteResult = "pending" | "won" | "lost";

/** What an empty electorate agrees to: everything, so that it never holds back the other half of a joint configuration. */
const unbounded: LogIndex = Number.MAX_SAFE_INTEGER;

/** Largest number that a majority of `voters` has reached, where `reachedBy` tells how far each one is. Raft §5.3. */
export function majorityReached(voters: readonly MemberID[], reachedBy: (id: MemberID) => number): number {
  const count = voters.length;
  if (count === 0) return unbounded;
  const reached: number[] = [];
  for (const id of voters) {
    // Insertion sort: electorates have a handful of members, and this runs on every acknowledgement.
    const value = reachedBy(id);
    let position = reached.length;
    while (position > 0 && (reached[position - 1] as number) > value) position -= 1;
    reached.splice(position, 0, value);
  }
  return reached[count - (count >> 1) - 1] as number;
}

/** Outcome of an election among `voters`; a member without an entry in `votes` has not answered. An empty electorate votes for. */
export function majorityVote(voters: readonly MemberID[], votes: ReadonlyMap<MemberID, boolean>): VoteResult {
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === undefined) missing += 1;
    else if (vote) granted += 1;
  }
  const needed = voters.length === 0 ? 0 : (voters.length >> 1) + 1;
  if (granted >= needed) return "won";
  return granted + missing >= needed ? "pending" : "lost";
}
