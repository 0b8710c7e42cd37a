// What a change of members costs in safety, step by step, before any of it is done.
//
// N1. A step is refused when the voters that are up now would be fewer than a quorum after it.
// N2. A plan begins where the cluster is: what an interrupted run has done already is not done again.

export interface MemberView {
  readonly id: bigint;
  /** Empty while it has never started. */
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
  /** Answers now. */
  readonly isUp: boolean;
}

export type StepKind = "addLearner" | "promote" | "remove";

export interface Step {
  readonly kind: StepKind;
  /** Undefined for a member that the plan itself adds. */
  readonly memberID: bigint | undefined;
  readonly text: string;
  readonly after: readonly MemberView[];
}

export interface Plan {
  readonly before: readonly MemberView[];
  readonly steps: readonly Step[];
  /** Why it must not be carried out; empty when it may. */
  readonly problems: readonly string[];
}

export interface NewMember {
  readonly name: string;
  readonly peerURLs: readonly string[];
}

/** As a learner first; `promotes` makes it a voter once it is in sync. */
export function planAdd(members: readonly MemberView[], member: NewMember, promotes: boolean): Plan {
  const problems = urlProblems(members, member);
  const known = members.find(({ peerURLs }) => isSame(peerURLs, member.peerURLs));
  const steps: Step[] = [];
  let after = members;
  if (known === undefined) {
    const learner = members.find(({ isLearner }) => isLearner);
    if (learner !== undefined) problems.push(`${nameOf(learner)} is a learner already: promote or remove it first`);
    after = [...after, { id: 0n, ...member, clientURLs: [], isLearner: true, isUp: false }];
    steps.push({ kind: "addLearner", memberID: undefined, text: `Add ${member.name} (${member.peerURLs.join(", ")}) as a learner`, after });
  }
  if (promotes && (known === undefined || known.isLearner)) {
    // It is up by then: only one that is in sync is promoted.
    after = after.map((each) => (isSame(each.peerURLs, member.peerURLs) ? { ...each, isLearner: false, isUp: true } : each));
    steps.push({ kind: "promote", memberID: known?.id, text: `Promote ${member.name} to a voter once it is in sync`, after });
  }
  return finish(members, steps, problems);
}

export function planPromote(members: readonly MemberView[], member: MemberView): Plan {
  const problems = member.isLearner ? [] : [`${nameOf(member)} is a voter already`];
  if (!member.isUp) problems.push(`${nameOf(member)} does not answer: a voter that is down makes the quorum harder to reach`);
  const after = members.map((each) => (each.id === member.id ? { ...each, isLearner: false } : each));
  return finish(members, [{ kind: "promote", memberID: member.id, text: `Promote ${nameOf(member)} to a voter`, after }], problems);
}

export function planRemove(members: readonly MemberView[], member: MemberView): Plan {
  const after = members.filter(({ id }) => id !== member.id);
  return finish(members, [{ kind: "remove", memberID: member.id, text: `Remove ${nameOf(member)}`, after }], []);
}

/** The new one takes part before the old one goes, so that there are never fewer voters than now. */
export function planReplace(members: readonly MemberView[], old: MemberView, member: NewMember): Plan {
  const added = planAdd(members, member, true);
  const after = (added.steps.at(-1)?.after ?? members).filter(({ id }) => id !== old.id);
  const removal: Step = { kind: "remove", memberID: old.id, text: `Remove ${nameOf(old)}`, after };
  const problems = [...added.problems];
  if (isSame(old.peerURLs, member.peerURLs)) problems.push("the new member must have addresses of its own");
  return finish(members, [...added.steps, removal], problems);
}

/** What the quorum is, and what it would survive, in words. */
export function describeQuorum(members: readonly MemberView[]): string {
  const voters = members.filter(({ isLearner }) => !isLearner);
  const learners = members.length - voters.length;
  const up = voters.filter(({ isUp }) => isUp).length;
  const needed = quorum(voters.length);
  const counts = `${plural(voters.length, "voter")}${learners > 0 ? ` and ${plural(learners, "learner")}` : ""}, ${up === voters.length ? "all" : up} up`;
  if (up < needed) return `${counts}; ${needed} voters must be up: there is no quorum`;
  const spare = up - needed;
  return `${counts}; ${needed} must be up: survives the loss of ${spare === 0 ? "none" : `${spare} more`}`;
}

export function formatPlan({ before, steps, problems }: Plan): string {
  const lines = [`Now: ${describeQuorum(before)}.`];
  for (const [position, { text, after }] of steps.entries()) lines.push(`${position + 1}. ${text}.`, `   Then: ${describeQuorum(after)}.`);
  if (steps.length === 0) lines.push("Nothing is left to do.");
  for (const problem of problems) lines.push(`Refused: ${problem}.`);
  return lines.join("\n");
}

/** By hexadecimal ID or by name. Throws when there is none, or more than one. */
export function findMember(members: readonly MemberView[], text: string): MemberView {
  const found = members.filter(({ id, name }) => id.toString(16) === text || name === text);
  const [only] = found;
  if (only === undefined) throw new Error(`no member has the name or ID ${text}`);
  if (found.length > 1) throw new Error(`${found.length} members are called ${text}: name one by its ID`);
  return only;
}

function finish(before: readonly MemberView[], steps: readonly Step[], problems: readonly string[]): Plan {
  const all = [...problems];
  if (upVoters(before) < quorum(voterCount(before))) all.push("there is no quorum now, and no change of members can be agreed on");
  for (const { text, after } of steps) {
    if (voterCount(after) === 0) all.push(`"${text}" would leave no voter`);
    else if (upVoters(after) < quorum(voterCount(after)))
      all.push(`after "${text}" ${quorum(voterCount(after))} voters must be up, and only ${upVoters(after)} would be`);
  }
  return { before, steps, problems: all };
}

function urlProblems(members: readonly MemberView[], { peerURLs }: NewMember): string[] {
  const problems = peerURLs
    .filter((url) => !/^https?:\/\/[^/]+:\d+$/.test(url))
    .map((url) => `peer URL must be http(s)://host:port, got ${JSON.stringify(url)}`);
  if (peerURLs.length === 0) problems.push("a peer URL is required");
  const owner = members.find((member) => !isSame(member.peerURLs, peerURLs) && member.peerURLs.some((url) => peerURLs.includes(url)));
  if (owner !== undefined) problems.push(`${nameOf(owner)} has one of these peer URLs`);
  return problems;
}

const quorum = (voters: number): number => Math.floor(voters / 2) + 1;
const voterCount = (members: readonly MemberView[]): number => members.filter(({ isLearner }) => !isLearner).length;
const upVoters = (members: readonly MemberView[]): number => members.filter(({ isLearner, isUp }) => !isLearner && isUp).length;
const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
const nameOf = ({ id, name }: MemberView): string => (name === "" ? id.toString(16) : name);
const isSame = (a: readonly string[], b: readonly string[]): boolean => [...a].sort().join() === [...b].sort().join();
