// The faults that members meet whatever they run: crashes, pauses, slow disks, bad links, news of deaths.
import type { MemberID } from "@lenj/raft";
import type { Network } from "../cluster/network.js";
import type { EventLoop } from "../world/event-loop.js";
import type { FaultSchedule } from "./fault-schedule.js";
import { spreadNewsOfDeath } from "./news-of-deaths.js";

export type CommonFault =
  | "crash"
  | "crashAll"
  | "partition"
  | "oneWay"
  | "isolateLeader"
  | "slowDisk"
  | "pause"
  | "lossBurst"
  | "falseDeath";

export interface FaultyMember {
  readonly id: MemberID;
  readonly isUp: boolean;
  readonly disk: { fsyncMs: () => number };
  start(): void;
  crash(): void;
  pause(ms: number): void;
  reportGone(id: MemberID): void;
}

export interface FaultyCluster<Member extends FaultyMember> {
  readonly loop: EventLoop;
  readonly network: Network;
  readonly members: readonly Member[];
  readonly options: { readonly noticesDeaths: boolean };
  readonly defaultFsync: () => number;
  leader(): Member | undefined;
}

export class CommonFaults<Member extends FaultyMember> {
  constructor(
    readonly cluster: FaultyCluster<Member>,
    private readonly schedule: Pick<FaultSchedule<string>, "later">,
    /** How long a slow disk takes for each write. */
    private readonly stallMs: readonly [least: number, most: number],
  ) {}

  /** `victim` is one of `members`, those that can meet a fault. */
  inject(kind: CommonFault, victim: Member, members: readonly Member[]): void {
    const { loop, network } = this.cluster;
    switch (kind) {
      case "crash":
        this.crash(victim);
        break;
      case "crashAll":
        for (const member of members) this.crash(member);
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
      case "pause":
        victim.pause(loop.between(100, 4_000));
        break;
      case "lossBurst":
        network.lossPerMille = 700;
        this.schedule.later(1_500, () => network.heal());
        break;
      case "falseDeath":
        spreadNewsOfDeath(network, (this.cluster.leader() ?? victim).id, this.cluster.members, false);
        break;
    }
  }

  /** Ends them all: links work, disks are as fast as before. */
  stop(): void {
    this.cluster.network.calm();
    for (const member of this.cluster.members) member.disk.fsyncMs = this.cluster.defaultFsync;
  }

  crash(member: Member): void {
    const { loop, network, members, options } = this.cluster;
    if (member.isUp && options.noticesDeaths) spreadNewsOfDeath(network, member.id, members, true);
    member.crash();
    this.schedule.later(loop.between(10, 3_000), () => {
      if (!member.isUp) member.start();
    });
  }

  isolateFor(member: Member, ms: number): void {
    this.#cut([member], false);
    this.schedule.later(ms, () => this.cluster.network.heal());
  }

  #partition(side: readonly Member[], isOneWay: boolean): void {
    this.#cut(side, isOneWay);
    this.schedule.later(this.cluster.loop.between(300, 5_000), () => this.cluster.network.heal());
  }

  #cut(side: readonly Member[], isOneWay: boolean): void {
    const { members, network } = this.cluster;
    for (const inside of side) {
      for (const outside of members) {
        if (side.includes(outside)) continue;
        network.cut(inside.id, outside.id);
        if (!isOneWay) network.cut(outside.id, inside.id);
      }
    }
  }

  #slowDisk(member: Member): void {
    const { loop, defaultFsync } = this.cluster;
    const stallMs = loop.between(...this.stallMs);
    member.disk.fsyncMs = () => stallMs;
    this.schedule.later(loop.between(500, 5_000), () => {
      member.disk.fsyncMs = defaultFsync;
    });
  }
}
