import { describeQuorum, findMember, formatPlan, type MemberView, planAdd, planPromote, planRemove, planReplace } from "./member-plan.js";

const member = (number: number, state: Partial<MemberView> = {}): MemberView => ({
  id: BigInt(number),
  name: `s${number}`,
  peerURLs: [`http://10.0.0.${number}:2380`],
  clientURLs: [`http://10.0.0.${number}:2379`],
  isLearner: false,
  isUp: true,
  ...state,
});
const three = [member(1), member(2), member(3)];
const fourth = { name: "s4", peerURLs: ["http://10.0.0.4:2380"] };

describe("describeQuorum()", () => {
  it("says how many may still fail", () => {
    expect(describeQuorum(three)).toBe("3 voters, all up; 2 must be up: survives the loss of 1 more");
    expect(describeQuorum([member(1), member(2), member(3, { isUp: false })])).toBe(
      "3 voters, 2 up; 2 must be up: survives the loss of none",
    );
    expect(describeQuorum([...three, member(4, { isLearner: true })])).toBe(
      "3 voters and 1 learner, all up; 2 must be up: survives the loss of 1 more",
    );
    expect(describeQuorum([member(1), member(2, { isUp: false })])).toBe("2 voters, 1 up; 2 voters must be up: there is no quorum");
  });
});

describe("plans", () => {
  it("replaces by adding first and removing last", () => {
    expect(formatPlan(planReplace(three, member(1), fourth)).split("\n")).toEqual([
      "Now: 3 voters, all up; 2 must be up: survives the loss of 1 more.",
      "1. Add s4 (http://10.0.0.4:2380) as a learner.",
      "   Then: 3 voters and 1 learner, all up; 2 must be up: survives the loss of 1 more.",
      "2. Promote s4 to a voter once it is in sync.",
      "   Then: 4 voters, all up; 3 must be up: survives the loss of 1 more.",
      "3. Remove s1.",
      "   Then: 3 voters, all up; 2 must be up: survives the loss of 1 more.",
    ]);
  });

  it("replaces a member that is down", () => {
    const members = [member(1, { isUp: false }), member(2), member(3)];
    const plan = planReplace(members, member(1), fourth);
    expect(plan.problems).toEqual([]);
    expect(describeQuorum(plan.steps.at(-1)?.after ?? [])).toBe("3 voters, all up; 2 must be up: survives the loss of 1 more");
  });

  it("goes on where an interrupted one stopped", () => {
    const learner = member(4, { isLearner: true });
    expect(planReplace([...three, learner], member(1), fourth).steps.map(({ kind }) => kind)).toEqual(["promote", "remove"]);
    expect(planReplace([...three, member(4)], member(1), fourth).steps.map(({ kind }) => kind)).toEqual(["remove"]);
    expect(planAdd([...three, member(4)], fourth, true).steps).toEqual([]);
  });

  it("refuses what would cost the quorum", () => {
    const oneDown = [member(1, { isUp: false }), member(2), member(3)];
    expect(planRemove(oneDown, member(2)).problems).toEqual(['after "Remove s2" 2 voters must be up, and only 1 would be']);
    expect(planRemove(oneDown, member(1)).problems).toEqual([]);
    expect(planRemove([member(1)], member(1)).problems).toEqual(['"Remove s1" would leave no voter']);
    const learner = member(4, { isLearner: true, isUp: false });
    expect(planPromote([...oneDown, learner], learner).problems).toEqual([
      "s4 does not answer: a voter that is down makes the quorum harder to reach",
      'after "Promote s4 to a voter" 3 voters must be up, and only 2 would be',
    ]);
    expect(planAdd([member(1), member(2, { isUp: false })], fourth, false).problems).toContain(
      "there is no quorum now, and no change of members can be agreed on",
    );
  });

  it("refuses addresses that are malformed or taken, and a second learner", () => {
    expect(planAdd(three, { name: "s4", peerURLs: ["10.0.0.4:2380"] }, false).problems).toEqual([
      'peer URL must be http(s)://host:port, got "10.0.0.4:2380"',
    ]);
    expect(planAdd(three, { name: "s4", peerURLs: [...fourth.peerURLs, "http://10.0.0.2:2380"] }, false).problems).toEqual([
      "s2 has one of these peer URLs",
    ]);
    expect(planAdd([...three, member(5, { isLearner: true })], fourth, false).problems).toEqual([
      "s5 is a learner already: promote or remove it first",
    ]);
    expect(planReplace(three, member(1), { name: "s1", peerURLs: member(1).peerURLs }).problems).toEqual([
      "the new member must have addresses of its own",
    ]);
  });
});

describe("findMember()", () => {
  it("takes an ID or a name that is one member's", () => {
    const members = [member(1), member(255, { name: "same" }), member(3, { name: "same" })];
    expect(findMember(members, "ff").id).toBe(255n);
    expect(findMember(members, "s1").id).toBe(1n);
    expect(() => findMember(members, "same")).toThrow("2 members are called same");
    expect(() => findMember(members, "none")).toThrow("no member has the name or ID none");
  });
});
