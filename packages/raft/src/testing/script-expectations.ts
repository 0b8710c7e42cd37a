import type { MemberID } from "../types.js";
import { parseByMember, parseIDs, splitWords } from "./script-parts.js";
import type { TestCluster } from "./test-cluster.js";
import type { TestMember } from "./test-member.js";

/** What `name 1=value` compares, as text. */
const observations: Readonly<Record<string, (member: TestMember) => string>> = {
  role: ({ node }) => node.status().role,
  term: ({ node }) => String(node.status().term),
  commit: ({ node }) => String(node.status().commit),
  applied: ({ node }) => String(node.status().applied),
  last: ({ node }) => String(node.status().lastIndex),
  log: (member) => member.describeLog(),
  follows: ({ node }) => String(node.status().leaderID),
  transferee: ({ node }) => String(node.status().transferee),
  voters: ({ node }) => node.status().confState.voters.join(","),
  outgoing: ({ node }) => node.status().confState.votersOutgoing.join(","),
  learners: ({ node }) => node.status().confState.learners.join(","),
  reads: ({ reads }) => reads.join(";"),
};

/** `leader 1`, `leader none`, or an observation by member: `commit 1,2=5 3=4`. Throws when it is not so. */
export function checkExpectation(cluster: TestCluster, clause: string): void {
  const words = splitWords(clause);
  const [name = ""] = words;
  if (name === "leader") {
    const wanted: MemberID[] = words[1] === "none" ? [] : parseIDs(words[1] ?? "");
    const found = cluster.leaders();
    if (String(found) !== String(wanted)) throw new Error(`expected leader ${words[1]}, found ${found.join(",") || "none"}`);
    return;
  }
  const observe = observations[name];
  const [values, end] = parseByMember(words, 1);
  if (observe === undefined || values.size === 0 || end < words.length) throw new Error(`cannot read expectation "${clause}"`);
  for (const [id, wanted] of values) {
    const found = observe(cluster.member(id));
    if (found !== wanted) throw new Error(`expected ${name} ${id}=${wanted}, found ${found}`);
  }
}
