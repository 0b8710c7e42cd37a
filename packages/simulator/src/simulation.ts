import { InvariantError } from "@lenj/base";
import { isRaftError } from "@lenj/raft";
import { checkLinearizability, type Operation } from "./checkers/linearizability.js";
import { RaftInvariants } from "./checkers/raft-invariants.js";
import { Cluster } from "./cluster/cluster.js";
import type { Member, PlantedBugs } from "./cluster/member.js";
import { Nemesis } from "./faults/nemesis.js";
import type { SimulationOptions } from "./options.js";
import { Client } from "./workload/client.js";
import { EventLoop } from "./world/event-loop.js";
import { Violation } from "./world/violation.js";

export interface SimulationResult {
  readonly seed: number;
  /** Undefined when every guarantee held. */
  readonly violation: string | undefined;
  readonly traceHash: string;
  readonly events: number;
  readonly committed: number;
  readonly elections: number;
  readonly snapshots: number;
  readonly operations: number;
  readonly unknownOutcomes: number;
  readonly linearizability: "linearizable" | "violation" | "undecided" | "unchecked";
  readonly faults: Readonly<Record<string, number>>;
}

const checkEveryMs = 500;

/**
 * Runs one seed: first faults and load, then a repaired network in which everything has to come together. Throws nothing; what went wrong
 * is in `violation`, and the same options give the same result, event by event (`traceHash`).
 */
export function runSimulation(
  options: SimulationOptions,
  settings: { bugs?: PlantedBugs; onTrace?: (line: string) => void } = {},
): SimulationResult {
  const loop = new EventLoop(options.seed);
  loop.onTrace = settings.onTrace;
  const invariants = new RaftInvariants<Member>();
  const cluster = new Cluster(loop, options, invariants, settings.bugs ?? {});
  const nemesis = new Nemesis(cluster);
  invariants.onReadyChecked = (member, ready) => nemesis.onReady(member, ready);
  let lastID = 0;
  const clients = Array.from(
    { length: options.clients },
    (_, client) => new Client(loop, cluster, { client, keys: options.keys, thinkMs: options.thinkMs }, () => ++lastID),
  );
  const history = (): Operation[] => clients.flatMap((client) => client.history);
  let linearizability: SimulationResult["linearizability"] = "unchecked";
  let violation: string | undefined;
  try {
    cluster.start();
    for (const client of clients) client.start();
    if (options.faults.length > 0) nemesis.start();
    runChecked(loop, cluster, invariants, options.chaosMs);
    nemesis.stop();
    for (const client of clients) client.stop();
    checkProgress(loop, cluster, invariants, () => ++lastID);
    const result = checkLinearizability(history());
    linearizability = result.verdict;
    if (result.verdict === "violation") throw new Violation("Linearizability", `history of key ${result.key}`);
  } catch (error) {
    if (!(error instanceof Violation || error instanceof InvariantError || isRaftError(error))) throw error;
    violation = error instanceof Violation ? error.message : `${error.name}: ${error.message}`;
  }
  const operations = history();
  return {
    seed: options.seed,
    violation,
    traceHash: loop.traceHash(),
    events: loop.eventsRun,
    committed: invariants.committed,
    elections: invariants.elections,
    snapshots: invariants.snapshots,
    operations: operations.length,
    unknownOutcomes: operations.filter((operation) => operation.returnedAt === undefined).length,
    linearizability,
    faults: Object.fromEntries(nemesis.counts),
  };
}

function runChecked(loop: EventLoop, cluster: Cluster, invariants: RaftInvariants<Member>, untilMs: number): void {
  while (loop.nowMs < untilMs) {
    loop.runUntil(Math.min(untilMs, loop.nowMs + checkEveryMs));
    invariants.checkAll(cluster.members);
  }
}

/** Liveness: with everything repaired there is a leader, it commits and answers a read, and all its members come to the same state. */
function checkProgress(loop: EventLoop, cluster: Cluster, invariants: RaftInvariants<Member>, nextID: () => number): void {
  const { options } = cluster;
  const deadlineMs = loop.nowMs + options.healMs;
  let hasWritten = false;
  let hasRead = false;
  while (loop.nowMs < deadlineMs) {
    runChecked(loop, cluster, invariants, loop.nowMs + checkEveryMs);
    const leader = cluster.leader();
    if (leader === undefined) continue;
    if (!hasWritten) {
      const id = nextID();
      leader.propose({ id, kind: "put", key: "final", value: id }, () => {
        hasWritten = true;
      });
    } else if (!hasRead) {
      leader.read(nextID(), "final", () => {
        hasRead = true;
      });
    } else if (isConverged(cluster)) {
      return;
    }
  }
  const state = cluster.members.map((member) => {
    const status = member.node?.status();
    return `${member.id}: ${status?.role} term ${status?.term} commit ${status?.commit} applied ${member.applied} voters ${String(status?.confState.voters)}/${String(status?.confState.votersOutgoing)} learners ${String(status?.confState.learners)}`;
  });
  throw new Violation(
    "Progress",
    `written ${hasWritten}, read ${hasRead}, converged ${isConverged(cluster)} after ${options.healMs} ms without faults; ${state.join("; ")}`,
  );
}

function isConverged(cluster: Cluster): boolean {
  const membership = cluster.membership();
  const leader = cluster.leader();
  if (membership === undefined || leader === undefined) return false;
  return [...membership.voters, ...membership.learners].every((id) => cluster.member(id)?.applied === leader.applied);
}
