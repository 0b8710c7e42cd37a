import { silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import { MemoryBackend } from "@lenj/mvcc/testing";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { Command } from "../core/command.js";
import type { HashReport } from "../core/compare-hashes.js";
import { StateMachine } from "../core/state-machine.js";
import { type CheckedMember, CorruptionChecker } from "./corruption-checker.js";

const { AlarmType } = etcdserverpb;

/** Member 1 leads three, whose data has these hashes; undefined: it does not answer. */
class Cluster {
  readonly state = new StateMachine({ backend: new MemoryBackend() });
  readonly quarantined: bigint[] = [];
  readonly checker: CorruptionChecker;
  onHash: (id: bigint) => void = () => {};

  constructor(readonly hashes: Record<string, number | undefined>) {
    for (const id of [1n, 2n, 3n]) this.state.members.put({ id, name: `${id}`, peerUrls: [], clientUrls: [], isLearner: false });
    const propose = (command: Command): ReturnType<CheckedMember["replica"]["propose"]> =>
      Promise.resolve(this.state.apply(command, { index: 1, nowMs: 0, events: [] }));
    const member = {
      replica: { config: { memberID: 1n }, state: this.state, isLeader: true, linearizable: () => Promise.resolve(), propose },
      localHash: () => this.#report(1n),
      hashAt: (id: bigint) => this.#report(id),
      quarantine: () => this.#quarantine(1n),
      quarantineAt: (id: bigint) => this.#quarantine(id),
    };
    this.checker = new CorruptionChecker(member as unknown as CheckedMember, 0, new ManualClock(), silentLogger);
  }

  get alarms(): bigint[] {
    return this.state.alarms.list(AlarmType.CORRUPT).map(({ memberID }) => memberID);
  }

  #report(memberID: bigint): Promise<HashReport> {
    this.onHash(memberID);
    const hash = this.hashes[`${memberID}`];
    if (hash === undefined) return Promise.reject(new Error("nobody listens"));
    return Promise.resolve({ memberID, hash, hashRevision: 5, compactRevision: 2 });
  }

  #quarantine(id: bigint): Promise<boolean> {
    this.quarantined.push(id);
    return Promise.resolve(true);
  }
}

describe("CorruptionChecker", () => {
  it("names who differs from the majority, and has it quarantined", async () => {
    const cluster = new Cluster({ 1: 7, 2: 8, 3: 7 });
    await cluster.checker.check();
    expect({ alarms: cluster.alarms, quarantined: cluster.quarantined }).toEqual({ alarms: [2n], quarantined: [2n] });
  });

  it("names nobody while no majority says who is wrong, and does when one does", async () => {
    const cluster = new Cluster({ 1: 8, 2: 7, 3: undefined });
    await cluster.checker.check();
    expect({ alarms: cluster.alarms, quarantined: cluster.quarantined }).toEqual({ alarms: [0n], quarantined: [] });
    cluster.hashes["3"] = 7;
    await cluster.checker.check();
    expect({ alarms: cluster.alarms, quarantined: cluster.quarantined }).toEqual({ alarms: [1n], quarantined: [1n] });
  });

  it("leaves the alarm that names nobody until every member has been compared", async () => {
    const cluster = new Cluster({ 1: 8, 2: 7, 3: undefined });
    await cluster.checker.check();
    Object.assign(cluster.hashes, { 1: 7, 2: undefined, 3: 7 });
    await cluster.checker.check();
    expect(cluster.alarms).toEqual([0n]);
    cluster.hashes["2"] = 7;
    await cluster.checker.check();
    expect(cluster.alarms).toEqual([]);
  });

  it("ends an alarm that was raised after its member had been mended", async () => {
    const cluster = new Cluster({ 1: 7, 2: 7, 3: undefined });
    cluster.state.alarms.raise({ memberID: 2n, alarm: AlarmType.CORRUPT });
    cluster.state.alarms.raise({ memberID: 3n, alarm: AlarmType.CORRUPT });
    await cluster.checker.check();
    expect(cluster.alarms).toEqual([3n]);
  });

  it("raises nothing for a member that has been removed meanwhile", async () => {
    const cluster = new Cluster({ 1: 7, 2: 8, 3: 7 });
    cluster.onHash = (id) => {
      if (id === 3n) cluster.state.members.remove(2n);
    };
    await cluster.checker.check();
    expect(cluster.alarms).toEqual([]);
  });
});
