import fc from "fast-check";
import { isRaftError } from "../errors.js";
import type { ConfChange, ConfChangeSingle, ConfState, MemberID } from "../types.js";
import { checkMembership, planConfChange } from "./changer.js";
import { decodeConfChange, encodeConfChange, leaveJoint } from "./codec.js";
import { isJoint } from "./membership.js";

const noContext = new Uint8Array(0);
const initial: ConfState = { voters: [1n, 2n, 3n], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

const singles = fc.record<ConfChangeSingle>({
  type: fc.constantFrom("addVoter", "addLearner", "remove", "update"),
  memberID: fc.integer({ min: 1, max: 6 }).map(BigInt),
});
const changes = fc.record<ConfChange>({
  transition: fc.constantFrom("auto", "jointImplicit", "jointExplicit"),
  changes: fc.array(singles, { maxLength: 4 }),
  context: fc.uint8Array({ maxLength: 5 }),
});

/** Plans, or keeps the membership when the change does not fit. */
function planned(membership: ConfState, change: ConfChange): ConfState {
  try {
    return planConfChange(membership, change);
  } catch (error) {
    if (!isRaftError(error, "CONF_CHANGE_INVALID")) throw error;
    return membership;
  }
}

const leave = (membership: ConfState): ConfState => (isJoint(membership) ? planConfChange(membership, leaveJoint) : membership);

const symmetricDifference = (a: readonly MemberID[], b: readonly MemberID[]): number =>
  a.filter((id) => !b.includes(id)).length + b.filter((id) => !a.includes(id)).length;

describe("planConfChange(), any sequence of changes", () => {
  it("thesis §4.1 M1 to M4: keeps somebody who votes, and moves at most one voter without a joint configuration", () => {
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 12 }), (list) => {
        let membership = initial;
        for (const change of list) {
          const next = planned(membership, change);
          checkMembership(next);
          expect(next.voters.length).toBeGreaterThan(0);
          if (!isJoint(membership) && !isJoint(next)) expect(symmetricDifference(membership.voters, next.voters)).toBeLessThanOrEqual(1);
          if (!isJoint(membership) && isJoint(next)) expect(next.votersOutgoing).toEqual(membership.voters);
          membership = next;
        }
      }),
    );
  });

  it("thesis §4.3 entering and leaving a joint configuration ends where the same changes one by one do", () => {
    fc.assert(
      fc.property(fc.array(singles, { maxLength: 5 }), fc.array(singles, { minLength: 2, maxLength: 4 }), (history, list) => {
        const start = history.reduce(
          (membership, single) => planned(membership, { transition: "auto", changes: [single], context: noContext }),
          initial,
        );
        const jointly = planned(start, { transition: "jointExplicit", changes: list, context: noContext });
        if (!isJoint(jointly)) return;
        let oneByOne = start;
        for (const single of list) {
          const next = planned(oneByOne, { transition: "auto", changes: [single], context: noContext });
          // The last voter cannot be removed on the way, where the joint change may still add another after it.
          if (next === oneByOne && single.type !== "update") return;
          oneByOne = next;
        }
        expect(leave(jointly)).toEqual(oneByOne);
      }),
    );
  });
});

describe("encodeConfChange()", () => {
  it("decodes to what was encoded, all 64 bits of an identity included", () => {
    const wide = fc.record<ConfChangeSingle>({
      type: singles.map(({ type }) => type),
      memberID: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    });
    fc.assert(
      fc.property(changes, fc.array(wide, { maxLength: 3 }), (change, list) => {
        const whole: ConfChange = { ...change, changes: [...change.changes, ...list] };
        expect(decodeConfChange(encodeConfChange(whole))).toEqual(whole);
      }),
    );
  });

  it("refuses bytes that are no membership change with ENTRY_CORRUPT, or reads them as one", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        try {
          decodeConfChange(bytes);
        } catch (error) {
          if (!isRaftError(error, "ENTRY_CORRUPT")) throw error;
        }
      }),
    );
  });
});
