import type { PeerCounts } from "@lenj/store/testing";
import { checkLinearizability } from "../checkers/linearizability.js";
import { EventLoop } from "../world/event-loop.js";
import { Violation } from "../world/violation.js";
import { Coverage } from "./checkers/coverage.js";
import { checkHistory } from "./checkers/history-check.js";
import { LeaseRules } from "./checkers/lease-rules.js";
import { StoreObserver } from "./checkers/store-observer.js";
import { StoreNemesis } from "./faults/store-nemesis.js";
import { noPlant, type Plant } from "./plants/plant.js";
import { StoreCluster } from "./store-cluster.js";
import type { StoreOptions } from "./store-options.js";
import { Ballast } from "./workload/ballast.js";
import { compactRegularly } from "./workload/compactor.js";
import { KvClient } from "./workload/kv-client.js";
import { LeaseHolder } from "./workload/lease-holder.js";
import { putOf, rangeOf } from "./workload/requests.js";
import type { Session } from "./workload/session.js";
import { WatchClient } from "./workload/watch-client.js";

export interface StoreResult {
  readonly seed: number;
  /** Undefined when every guarantee held. */
  readonly violation: string | undefined;
  readonly traceHash: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly committed: number;
  readonly elections: number;
  readonly operations: number;
  readonly unknownOutcomes: number;
  readonly watches: number;
  readonly membershipSteps: number;
  readonly statesShipped: number;
  /** Transfers of a state that went on where one before broke off. */
  readonly statesResumed: number;
  /** Damaged states that a leader's took the place of. */
  readonly statesRefilled: number;
  /** How often it came to what seldom happens. */
  readonly coverage: Coverage["figures"];
  readonly linearizability: "linearizable" | "violation" | "undecided" | "unchecked";
  readonly faults: Readonly<Record<string, number>>;
}

const checkEveryMs = 500;

/**
 * Runs one seed of whole stores: first faults and load, then a repaired world in which everything has to come together. Throws nothing that
 * a store did; what went wrong is in `violation`. The same options give the same result, event by event (`traceHash`).
 */
export async function runStoreSimulation(
  options: StoreOptions,
  settings: { readonly plant?: Plant; readonly onTrace?: (line: string) => void } = {},
): Promise<StoreResult> {
  const run = new StoreRun(options, settings.plant ?? noPlant);
  run.loop.onTrace = settings.onTrace;
  return await run.finish();
}

function resumedBy(counts: PeerCounts): number {
  return [...counts.entries()].reduce((sum, [, { snapshotsReceived }]) => sum + snapshotsReceived.resumed, 0);
}

class StoreRun {
  readonly loop: EventLoop;
  readonly observer = new StoreObserver();
  readonly coverage = new Coverage();
  readonly ballast: Ballast;
  readonly cluster: StoreCluster;
  readonly nemesis: StoreNemesis;
  readonly session: Session;
  readonly writers: KvClient[];
  readonly side: KvClient[] = [];
  readonly holders: LeaseHolder[] = [];
  readonly watchers: WatchClient[];
  #linearizability: StoreResult["linearizability"] = "unchecked";

  constructor(
    readonly options: StoreOptions,
    plant: Plant,
  ) {
    this.loop = new EventLoop(options.seed);
    this.cluster = new StoreCluster(this.loop, options, this.observer, plant, this.coverage);
    let lastID = 0;
    const told = { revision: 1, compactRevision: 0 };
    this.session = { loop: this.loop, cluster: this.cluster, observer: this.observer, told, nextID: () => ++lastID };
    this.writers = Array.from({ length: options.writers }, (_, client) => new KvClient(this.session, client));
    this.watchers = Array.from({ length: options.watchers }, (_, number) => new WatchClient(this.session, `watcher ${number}`));
    const rules = new LeaseRules(this.loop, 1 + options.clockSkew);
    this.observer.leases = rules;
    this.ballast = new Ballast(this.#sideClient());
    this.nemesis = new StoreNemesis(this.cluster, this.ballast);
    for (let i = 0; i < options.lessees; i += 1) this.holders.push(new LeaseHolder(this.#sideClient(), rules));
  }

  async finish(): Promise<StoreResult> {
    try {
      await this.#run();
    } catch (error) {
      this.observer.report(error);
    }
    const operations = this.#operations();
    const { invariants } = this.observer;
    return {
      seed: this.options.seed,
      violation: this.observer.violation?.message,
      traceHash: this.loop.traceHash(),
      events: this.loop.eventsRun,
      virtualMs: this.loop.nowMs,
      committed: invariants.committed,
      elections: invariants.elections,
      operations: operations.length,
      unknownOutcomes: operations.filter(({ answer }) => answer === undefined).length,
      watches: this.watchers.reduce((sum, { records }) => sum + records.length, 0),
      membershipSteps: this.nemesis.operator.done,
      statesShipped: this.cluster.members.reduce((sum, { disk }) => sum + disk.installed, 0),
      statesResumed: this.cluster.members.reduce((sum, { counts }) => sum + resumedBy(counts), 0),
      statesRefilled: this.cluster.members.reduce((sum, { disk }) => sum + disk.refilled, 0),
      coverage: this.coverage.figures,
      linearizability: this.#linearizability,
      faults: Object.fromEntries(this.nemesis.counts),
    };
  }

  async #run(): Promise<void> {
    const { options, loop } = this;
    let isChaosOver = false;
    this.cluster.start();
    for (const writer of this.writers) writer.start(options.thinkMs);
    for (const holder of this.holders) holder.start();
    for (const watcher of this.watchers) watcher.start();
    compactRegularly(this.#sideClient(), options.compactEveryMs, () => isChaosOver);
    if (options.faults.includes("rot")) this.ballast.start();
    if (options.faults.length > 0) this.nemesis.start();
    while (loop.nowMs < options.chaosMs) await this.#advance();
    isChaosOver = true;
    this.nemesis.stop();
    for (const client of [...this.writers, ...this.holders]) client.stop();
    for (const watcher of this.watchers) watcher.calm();
    await this.#comeTogether();
    this.#checkHistories();
  }

  async #advance(): Promise<void> {
    const { loop, observer } = this;
    await loop.runSettledUntil(loop.nowMs + checkEveryMs, () => observer.violation !== undefined);
    observer.checkAll(this.cluster.members);
    if (observer.violation !== undefined) throw observer.violation;
  }

  /** Liveness: a leader writes and reads, leases end, members agree, watches catch up. */
  async #comeTogether(): Promise<void> {
    const { loop, options } = this;
    const deadlineMs = loop.nowMs + options.healMs;
    const client = this.#sideClient();
    const last: { stage: "write" | "wait" | "read" | "done" } = { stage: "write" };
    let lacks = "a leader";
    while (loop.nowMs < deadlineMs) {
      await this.#advance();
      const leader = this.cluster.leader();
      if (leader?.replica === undefined) continue;
      if (last.stage === "done") {
        lacks = this.#lacks(leader.replica.state.leases.size);
        if (lacks === "") return;
      } else if (last.stage !== "wait") {
        const isWrite = last.stage === "write";
        lacks = `an answer to a ${isWrite ? "write" : "read"}`;
        last.stage = "wait";
        client.call(leader, isWrite ? putOf("final", "1") : rangeOf("final"), (answer) => {
          const isGood = answer !== undefined && !("error" in answer);
          last.stage = isGood ? (isWrite ? "read" : "done") : isWrite ? "write" : "read";
        });
      }
    }
    throw new Violation("Progress", `${options.healMs} ms after the last fault there lacks ${lacks}; ${this.#describeMembers()}`);
  }

  /** What is not yet as it has to be; empty when nothing is. */
  #lacks(leases: number): string {
    if (this.nemesis.operator.isBusy) return "the end of a membership change";
    if (leases > 0) return `the end of ${leases} leases`;
    const membership = this.cluster.membership();
    const leader = this.cluster.leader();
    const ids = [...(membership?.voters ?? []), ...(membership?.learners ?? [])].filter((id) => this.cluster.member(id)?.canRun !== false);
    const behind = ids.filter((id) => this.cluster.member(id)?.applied !== leader?.applied);
    if (behind.length > 0) return `members ${behind.join()} at the leader's state`;
    const ill = this.cluster.members.filter(({ disk, canRun }) => canRun && (disk.isStateDamaged || disk.mark.read() !== undefined));
    if (ill.length > 0) return `the leader's state at ${ill.map(({ id }) => id).join()}, whose own is damaged`;
    if ((leader?.replica?.state.alarms.list(0).length ?? 0) > 0) return "the end of an alarm";
    const revision = leader?.replica?.state.space.currentRevision ?? 0;
    const late = this.watchers.filter((watcher) => !watcher.hasCaughtUp(revision));
    return late.length > 0 ? `watches at revision ${revision}: ${late.map((watcher) => watcher.describe()).join("; ")}` : "";
  }

  #checkHistories(): void {
    const { observer } = this;
    const store = checkHistory(observer.invariants.history, this.#operations(), (data) => observer.operationOf(data));
    for (const { records } of this.watchers) for (const record of records) record.check(store);
    const register = checkLinearizability(this.writers.flatMap(({ registerHistory }) => registerHistory));
    this.#linearizability = register.verdict;
    if (register.verdict === "violation") throw new Violation("Linearizability", `history of register ${register.key}`);
  }

  #sideClient(): KvClient {
    const client = new KvClient(this.session, this.writers.length + this.side.length);
    this.side.push(client);
    return client;
  }

  #operations(): KvClient["operations"] {
    return [...this.writers, ...this.side].flatMap(({ operations }) => operations);
  }

  #describeMembers(): string {
    return this.cluster.members
      .map((member) => {
        const status = member.node?.status();
        const what = member.isGone ? "gone" : member.isLost ? "lost" : (status?.role ?? "down");
        return `${member.id}: ${what} term ${status?.term} commit ${status?.commit} applied ${member.applied} voters ${String(status?.confState.voters)} learners ${String(status?.confState.learners)}`;
      })
      .join("; ");
  }
}
