// Breaks things at random, one after the other, and repairs them all in the end.
//
// N1. Only what a store promises to survive: a majority's durable data stays whole. So one member at a time may be damaged, and it is
//     mended or replaced before the next; membership goes through the store's own service, one change at a time.
import { spreadNewsOfDeath } from "../../faults/news-of-deaths.js";
import type { StoreCluster } from "../store-cluster.js";
import type { StoreMember } from "../store-member.js";
import type { StoreFault } from "../store-options.js";
import { type Ballast, ballastText } from "../workload/ballast.js";
import { Operator } from "./operator.js";

export class StoreNemesis {
  #isStopped = false;
  readonly #counts = new Map<StoreFault, number>();
  readonly operator: Operator;

  constructor(
    readonly cluster: StoreCluster,
    readonly ballast: Ballast,
  ) {
    this.operator = new Operator(cluster);
    if (cluster.options.corruptCheckMs > 0) this.operator.start();
  }

  get counts(): ReadonlyMap<StoreFault, number> {
    return this.#counts;
  }

  start(): void {
    const { loop, options } = this.cluster;
    loop.after(loop.between(1, 2 * options.faultEveryMs), () => {
      if (this.#isStopped) return;
      const kind = loop.pick(options.faults);
      loop.trace(`fault ${kind}`);
      this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
      this.#inject(kind);
      this.start();
    });
  }

  /** Ends all faults: links work, disks are as fast and empty as before, everybody runs who can. */
  stop(): void {
    this.#isStopped = true;
    this.cluster.network.calm();
    for (const member of this.cluster.members) {
      member.disk.fsyncMs = this.cluster.defaultFsync;
      member.disk.isFull = false;
      // Of what nobody reads, only a start tells.
      if (member.disk.isStateDamaged) member.crash();
      member.start();
    }
    this.operator.finish();
  }

  #inject(kind: StoreFault): void {
    const { loop, network } = this.cluster;
    const members = this.cluster.members.filter((member) => member.canRun);
    const victim = loop.pick(members);
    if (victim === undefined) return;
    switch (kind) {
      case "crash":
        this.#crash(victim);
        break;
      case "crashAll":
        for (const member of members) this.#crash(member);
        break;
      case "partition":
        this.#partition(
          members.filter(() => loop.chance(500)),
          false,
        );
        break;
      case "oneWay":
        this.#partition([victim], true);
        break;
      case "isolateLeader":
        this.#partition([this.cluster.leader() ?? victim], false);
        break;
      case "slowDisk":
        this.#slowDisk(victim);
        break;
      case "fullDisk":
        victim.disk.isFull = true;
        this.#later(loop.between(100, 3_000), () => {
          victim.disk.isFull = false;
        });
        break;
      case "bitFlip":
        this.#flipBit(victim);
        break;
      case "rot":
        this.#rot(victim);
        break;
      case "pause":
        victim.pause(loop.between(100, 4_000));
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
      case "falseDeath":
        this.#tellOthers(this.cluster.leader() ?? victim, false);
        break;
      case "defragment":
        victim.whenRunning(() => {
          victim.backend?.flush().catch(() => {});
        });
        break;
      case "lossBurst":
        network.lossPerMille = 700;
        this.#later(1_500, () => network.heal());
        break;
      case "lag":
        // Long enough for the others to truncate the log past it.
        this.#isolateFor(victim, loop.between(2_000, 6_000));
        break;
    }
  }

  #crash(member: StoreMember): void {
    if (member.isUp && this.cluster.options.noticesDeaths) this.#tellOthers(member, true);
    member.crash();
    this.#later(this.cluster.loop.between(10, 3_000), () => member.start());
  }

  #tellOthers({ id }: StoreMember, isTrue: boolean): void {
    const others = this.cluster.members.map((member) => ({
      id: member.id,
      reportGone: (gone: bigint) => member.whenRunning(() => member.replica?.node.reportGone(gone)),
    }));
    spreadNewsOfDeath(this.cluster.network, id, others, isTrue);
  }

  #isolateFor(member: StoreMember, ms: number): void {
    this.#cut([member], false);
    this.#later(ms, () => this.cluster.network.heal());
  }

  #partition(side: readonly StoreMember[], isOneWay: boolean): void {
    this.#cut(side, isOneWay);
    this.#later(this.cluster.loop.between(300, 5_000), () => this.cluster.network.heal());
  }

  #cut(side: readonly StoreMember[], isOneWay: boolean): void {
    const { members, network } = this.cluster;
    for (const inside of side) {
      for (const outside of members) {
        if (side.includes(outside)) continue;
        network.cut(inside.id, outside.id);
        if (!isOneWay) network.cut(outside.id, inside.id);
      }
    }
  }

  #slowDisk(member: StoreMember): void {
    const { loop } = this.cluster;
    const stallMs = loop.between(100, 5_000);
    member.disk.fsyncMs = () => stallMs;
    this.#later(loop.between(500, 5_000), () => {
      member.disk.fsyncMs = this.cluster.defaultFsync;
    });
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
      if (loop.chance(400)) this.#crash(member);
      return;
    }
    // Whether or not it is ever read: the operator replaces what is known to be bad.
    this.#crash(member);
    this.operator.replace(member);
  }

  /** Only a comparison with the others can find this. */
  #rot(member: StoreMember): void {
    if (!this.ballast.isPastWatches() || !this.#mayDamage(member)) return;
    const isThere = member.disk.replaceText(ballastText, ballastText.toUpperCase());
    this.cluster.loop.trace(`rot ${member.id} ${isThere}`);
  }

  #later(ms: number, repair: () => void): void {
    this.cluster.loop.after(ms, () => {
      if (!this.#isStopped) repair();
    });
  }
}
