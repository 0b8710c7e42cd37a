import type { ConfChange, ConfChangeSingle, MemberID, Ready } from "@lenj/raft";
import type { Cluster } from "../cluster/cluster.js";
import type { Member } from "../cluster/member.js";
import type { FaultKind } from "../options.js";
import { spreadNewsOfDeath } from "./news-of-deaths.js";
import { ShortReigns } from "./short-reigns.js";

const noContext = new Uint8Array(0);

/** Breaks things at random, one after the other, and repairs them all in the end. */
export class Nemesis {
  #isStopped = false;
  readonly #counts = new Map<FaultKind, number>();
  readonly #shortReigns: ShortReigns;

  constructor(readonly cluster: Cluster) {
    this.#shortReigns = new ShortReigns(cluster);
  }

  get counts(): ReadonlyMap<FaultKind, number> {
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

  /** Ends all faults: links work, disks are as fast as before, everybody runs. */
  stop(): void {
    this.#isStopped = true;
    this.#shortReigns.stop();
    this.cluster.network.calm();
    for (const member of this.cluster.members) {
      member.disk.fsyncMs = this.cluster.defaultFsync;
      if (!member.isUp) member.start();
    }
  }

  /** For faults that are timed by what members do. */
  onReady(member: Member, ready: Ready): void {
    this.#shortReigns.onReady(member, ready);
  }

  #inject(kind: FaultKind): void {
    const { loop, members, network } = this.cluster;
    const victim = loop.pick(members);
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
      case "pause":
        victim.pause(loop.between(100, 4_000));
        break;
      case "transfer":
        loop.pick(members).act((node) => node.transferLeadership(victim.id));
        break;
      case "membership":
        this.#changeMembership();
        break;
      case "falseDeath":
        this.#tellOthers(this.cluster.leader() ?? victim, false);
        break;
      case "shortReigns":
        this.#shortReigns.allowFor(loop.between(4_000, 16_000));
        break;
      case "lossBurst":
        network.lossPerMille = 700;
        this.#later(1_500, () => network.heal());
        break;
    }
  }

  #crash(member: Member): void {
    if (member.isUp && this.cluster.options.noticesDeaths) this.#tellOthers(member, true);
    member.crash();
    this.#later(this.cluster.loop.between(10, 3_000), () => {
      if (!member.isUp) member.start();
    });
  }

  #tellOthers({ id }: Member, isTrue: boolean): void {
    const others = this.cluster.members.map((member) => ({
      id: member.id,
      reportGone: (gone: MemberID) => member.act((node) => node.reportGone(gone)),
    }));
    spreadNewsOfDeath(this.cluster.network, id, others, isTrue);
  }

  #partition(side: readonly Member[], isOneWay: boolean): void {
    const { loop, members, network } = this.cluster;
    for (const inside of side) {
      for (const outside of members) {
        if (side.includes(outside)) continue;
        network.cut(inside.id, outside.id);
        if (!isOneWay) network.cut(outside.id, inside.id);
      }
    }
    this.#later(loop.between(300, 5_000), () => network.heal());
  }

  #slowDisk(member: Member): void {
    const { loop } = this.cluster;
    const stallMs = loop.between(200, 6_000);
    member.disk.fsyncMs = () => stallMs;
    this.#later(loop.between(500, 5_000), () => {
      member.disk.fsyncMs = this.cluster.defaultFsync;
    });
  }

  #changeMembership(): void {
    const { loop, members } = this.cluster;
    const membership = this.cluster.membership();
    if (membership === undefined) return;
    const isLeaving = membership.votersOutgoing.length > 0 && !membership.autoLeave;
    const count = isLeaving ? 0 : loop.between(1, 3);
    const changes = Array.from({ length: count }, (): ConfChangeSingle => {
      const target = loop.pick(members).id;
      return { type: loop.pick(["addVoter", "addVoter", "addLearner", "remove"] as const), memberID: target };
    });
    // A change that leaves nobody to vote is an error of the operator, not a fault.
    const next = new Set(membership.voters);
    for (const { type, memberID } of changes) {
      if (type === "addVoter") next.add(memberID);
      else next.delete(memberID);
    }
    if (next.size === 0) return;
    const transition = isLeaving || count === 1 ? "auto" : loop.pick(["auto", "jointImplicit", "jointExplicit"] as const);
    const change: ConfChange = { transition, changes, context: noContext };
    (this.cluster.leader() ?? loop.pick(members)).act((node) => node.proposeConfChange(change));
  }

  #later(ms: number, repair: () => void): void {
    this.cluster.loop.after(ms, () => {
      if (!this.#isStopped) repair();
    });
  }
}
