import fc from "fast-check";
import type { ConfState, MemberID } from "../types.js";
import { quorumReached, quorumVote } from "./joint.js";
import { majorityReached, majorityVote, type VoteResult } from "./majority.js";

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 9 }).map(BigInt), { maxLength: 7 });
const reached = fc.dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.nat(12));
const ballots = fc.dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.boolean());
const memberships = fc
  .tuple(ids, ids)
  .map(([voters, votersOutgoing]): ConfState => ({ voters, votersOutgoing, learners: [], learnersNext: [], autoLeave: false }));

const votesOf = (ballot: Record<string, boolean>): Map<MemberID, boolean> =>
  new Map(Object.entries(ballot).map(([id, vote]) => [BigInt(id), vote]));

const isMajority = (count: number, voters: readonly MemberID[]): boolean => voters.length === 0 || 2 * count > voters.length;

/** By definition: try every number, from the top. */
function naiveReached(halves: readonly (readonly MemberID[])[], reachedBy: (id: MemberID) => number): number {
  if (halves.every((voters) => voters.length === 0)) return Number.MAX_SAFE_INTEGER;
  for (let index = 12; index > 0; index -= 1) {
    if (halves.every((voters) => isMajority(voters.filter((id) => reachedBy(id) >= index).length, voters))) return index;
  }
  return 0;
}

/** By definition: won when every way in which the missing votes may turn out wins, lost when none does. */
function naiveVote(halves: readonly (readonly MemberID[])[], votes: ReadonlyMap<MemberID, boolean>): VoteResult {
  const missing = [...new Set(halves.flat())].filter((id) => !votes.has(id));
  let wins = 0;
  for (let mask = 0; mask < 1 << missing.length; mask += 1) {
    const granted = (id: MemberID): boolean => votes.get(id) ?? ((mask >> missing.indexOf(id)) & 1) === 1;
    if (halves.every((voters) => isMajority(voters.filter(granted).length, voters))) wins += 1;
  }
  if (wins === 1 << missing.length) return "won";
  return wins === 0 ? "lost" : "pending";
}

describe("quorums, against their definitions", () => {
  it("§5.3 majorityReached() is the largest index that a majority has", () => {
    fc.assert(
      fc.property(ids, reached, (voters, by) => {
        const reachedBy = (id: MemberID): number => by[String(id)] ?? 0;
        expect(majorityReached(voters, reachedBy)).toBe(naiveReached([voters], reachedBy));
      }),
    );
  });

  it("thesis §4.3 quorumReached() is the largest index that a majority of each half has", () => {
    fc.assert(
      fc.property(memberships, reached, (membership, by) => {
        const reachedBy = (id: MemberID): number => by[String(id)] ?? 0;
        expect(quorumReached(membership, reachedBy)).toBe(naiveReached([membership.voters, membership.votersOutgoing], reachedBy));
      }),
    );
  });

  it("§5.2 majorityVote() is decided as soon as missing votes cannot change it", () => {
    fc.assert(
      fc.property(ids, ballots, (voters, ballot) => {
        const votes = votesOf(ballot);
        expect(majorityVote(voters, votes)).toBe(naiveVote([voters], votes));
      }),
    );
  });

  it("thesis §4.3 quorumVote() needs both halves", () => {
    fc.assert(
      fc.property(memberships, ballots, (membership, ballot) => {
        const votes = votesOf(ballot);
        expect(quorumVote(membership, votes)).toBe(naiveVote([membership.voters, membership.votersOutgoing], votes));
      }),
    );
  });
});
