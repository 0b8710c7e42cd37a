import { ConfChangeContext } from "@lenj/proto/raft";
import { type ConfChange, decodeConfChange, type Entry, encodeConfChange } from "@lenj/raft";
import { type ForcedCluster, type ForcedClusterInput, planForcedCluster } from "./forced-cluster.js";
import { type MemberRecord, Membership } from "./membership.js";

const record = (id: bigint, isLearner = false): MemberRecord => {
  return { id, peerUrls: [`http://m${id}`], name: `m${id}`, clientUrls: [], isLearner };
};
function membersOf(...records: MemberRecord[]): Membership {
  const members = new Membership({ get: () => undefined, put: () => {}, delete: () => {} });
  for (const one of records) members.put(one);
  return members;
}
const normal = (index: number, term = 3): Entry => ({ index, term, type: "normal", data: new Uint8Array(0) });
function changed(index: number, change: Partial<ConfChange>, member?: MemberRecord): Entry {
  const context = ConfChangeContext.encode({ requestId: 0n, member, promote: false, learnersMax: 0 }).finish();
  return { index, term: 3, type: "confChange", data: encodeConfChange({ transition: "auto", changes: [], context, ...change }) };
}
const input = (over: Partial<ForcedClusterInput>): ForcedClusterInput => ({
  memberID: 1n,
  peerURLs: ["http://m1"],
  members: membersOf(record(1n), record(2n), record(3n)),
  appliedIndex: 10,
  hardState: { term: 3, vote: 2n, commit: 12 },
  entries: [normal(11), normal(12), normal(13), normal(14)],
  ...over,
});
const shown = (forced: ForcedCluster | undefined): string[] =>
  (forced?.write.entries ?? []).map(({ index, data }) => {
    const [single] = decodeConfChange(data).changes;
    return `${index} ${single === undefined ? "leave" : `${single.type} ${single.memberID}`}`;
  });

describe("planForcedCluster", () => {
  it("puts the others' removal, committed and of a new term, after what there is", () => {
    const forced = planForcedCluster(input({}));
    expect(shown(forced)).toEqual(["15 remove 2", "16 remove 3"]);
    expect(forced?.write.entries.map(({ term }) => term)).toEqual([4, 4]);
    expect(forced?.write.hardState).toEqual({ term: 4, vote: 1n, commit: 16 });
    expect(forced).toMatchObject({ keptIndex: 14, removedIDs: [2n, 3n] });
  });

  it("counts changes that are not applied yet", () => {
    const entries = [
      changed(11, { changes: [{ type: "addVoter", memberID: 4n }] }, record(4n)),
      changed(12, { changes: [{ type: "remove", memberID: 2n }] }),
      changed(13, { changes: [{ type: "addVoter", memberID: 5n }] }, record(5n)),
    ];
    expect(shown(planForcedCluster(input({ entries })))).toEqual(["14 remove 3", "15 remove 4", "16 remove 5"]);
  });

  it("leaves a joint configuration first", () => {
    const enter = changed(12, { transition: "jointExplicit", changes: [{ type: "remove", memberID: 3n }] });
    const entries = [normal(11), enter, normal(13)];
    expect(shown(planForcedCluster(input({ entries })))).toEqual(["14 leave", "15 remove 2"]);
    const left = [enter, changed(13, { context: new Uint8Array(0) })].map((entry, at) => ({ ...entry, index: 11 + at }));
    expect(shown(planForcedCluster(input({ entries: left })))).toEqual(["13 remove 2"]);
  });

  it("makes a learner a voter, and adds a member that does not know itself yet", () => {
    expect(shown(planForcedCluster(input({ members: membersOf(record(1n, true), record(2n)) })))).toEqual(["15 addVoter 1", "16 remove 2"]);
    expect(shown(planForcedCluster(input({ members: membersOf(record(2n)) })))).toEqual(["15 addVoter 1", "16 remove 2"]);
  });

  it("changes nothing for a member that is the only one already", () => {
    expect(planForcedCluster(input({ members: membersOf(record(1n)) }))).toBeUndefined();
    expect(shown(planForcedCluster(input({ members: membersOf(record(1n), record(2n, true)) })))).toEqual(["15 remove 2"]);
  });

  it("refuses a member that was removed", () => {
    const members = membersOf(record(1n), record(2n));
    members.remove(1n);
    expect(() => planForcedCluster(input({ members }))).toThrow("member 1 has been removed");
  });
});
