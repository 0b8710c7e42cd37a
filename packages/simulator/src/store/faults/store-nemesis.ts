// Breaks things at random, one after the other, and repairs them all in the end.
//
// N1. Only what a store promises to survive: a majority's durable data stays whole. So one member at a time may be damaged, and it is
//     mended or replaced before the next; membership goes through the store's own service, one change at a time.
import { CommonFaults } from "../../faults/common-faults.js";
import { FaultSchedule } from "../../faults/fault-schedule.js";
import type { StoreCluster } from "../store-cluster.js";
import type { StoreMember } from "../store-member.js";
import type { StoreFault } from "../store-options.js";
import { type Ballast, ballastText } from "../workload/ballast.js";
import { Operator } from "./operator.js";

export class StoreNemesis {
  readonly operator: Operator;
  readonly #schedule: FaultSchedule<StoreFault>;
  readonly #common: CommonFaults<StoreMember>;

  constructor(
    readonly cluster: StoreCluster,
    readonly ballast: Ballast,
  ) {
    this.#schedule = new FaultSchedule(cluster.loop, cluster.options);
    this.#common = new CommonFaults(cluster, this.#schedule, [100, 5_000]);
    this.operator = new Operator(cluster);
    if (cluster.options.corruptCheckMs > 0) this.operator.start();
  }

  get counts(): ReadonlyMap<StoreFault, number> {
    return this.#schedule.counts;
  }

  start(): void {
    this.#schedule.start((kind) => this.#inject(kind));
  }

  /** Ends all faults: disks have room again, and everybody runs who can. */
  stop(): void {
    this.#schedule.stop();
    this.#common.stop();
    for (const member of this.cluster.members) {
      member.disk.isFull = false;
      // Of what nobody reads, only a start tells.
      if (member.disk.isStateDamaged) member.crash();
      member.start();
    }
    this.operator.finish();
  }

  #inject(kind: StoreFault): void {
    const { loop } = this.cluster;
    const members = this.cluster.members.filter((member) => member.canRun);
    const victim = loop.pick(members);
    if (victim === undefined) return;
    switch (kind) {
      case "fullDisk":
        victim.disk.isFull = true;
        this.#schedule.later(loop.between(100, 3_000), () => {
          victim.disk.isFull = false;
        });
        break;
      case "bitFlip":
        this.#flipBit(victim);
        break;
      case "rot":
        this.#rot(victim);
        break;
      case "pauseLeader":
        (this.cluster.leader() ?? victim).pause(loop.between(1_000, 6_000));
        break;
      case "transfer":
        loop.pick(members).whenRunning(() => this.cluster.leader()?.replica?.transferLeadership(victim.id));
        break;
      case "replace":
        this.operator.replace(victim);
        break;
      case "grow":
        if (members.length < 6) this.operator.add();
        break;
      case "shrink":
        this.operator.remove(victim);
        break;
      case "defragment":
        victim.whenRunning(() => {
          victim.backend?.flush().catch(() => {});
        });
        break;
      case "lag":
        // Long enough for the others to truncate the log past it.
        this.#common.isolateFor(victim, loop.between(2_000, 6_000));
        break;
      default:
        this.#common.inject(kind, victim, members);
    }
  }

  #mayDamage(member: StoreMember): boolean {
    const { members } = this.cluster;
    const voters = this.cluster.membership()?.voters ?? [];
    if (voters.length < 3 || !voters.includes(member.id)) return false;
    if (members.some(({ disk, isGone }) => !isGone && (disk.isDamaged || disk.mark.read() !== undefined))) return false;
    // Who is up may not have heard of the newest change: only a leader is sure to know that more than two vote.
    return !this.operator.isBusy && this.cluster.leader() !== undefined;
  }

  #flipBit(member: StoreMember): void {
    const { loop } = this.cluster;
    if (!this.#mayDamage(member)) return;
    const part = loop.chance(300) ? "log" : "state";
    loop.trace(`flipped ${member.id} ${member.disk.flipBit(part)}`);
    if (part === "state") {
      // It is to find and mend that by itself: by a read while it runs, or at its next start.
      if (loop.chance(400)) this.#common.crash(member);
      return;
    }
    // Whether or not it is ever read: the operator replaces what is known to be bad.
    this.#common.crash(member);
    this.operator.replace(member);
  }

  /** Only a comparison with the others can find this. */
  #rot(member: StoreMember): void {
    if (!this.ballast.isPastWatches() || !this.#mayDamage(member)) return;
    const isThere = member.disk.replaceText(ballastText, ballastText.toUpperCase());
    this.cluster.loop.trace(`rot ${member.id} ${isThere}`);
  }
}
