import type { ConfChange, ConfChangeSingle, Ready } from "@lenj/raft";
import type { Cluster } from "../cluster/cluster.js";
import type { Member } from "../cluster/member.js";
import type { FaultKind } from "../options.js";
import { CommonFaults } from "./common-faults.js";
import { FaultSchedule } from "./fault-schedule.js";
import { ShortReigns } from "./short-reigns.js";

const noContext = new Uint8Array(0);

/** Breaks things at random, one after the other, and repairs them all in the end. */
export class Nemesis {
  readonly #schedule: FaultSchedule<FaultKind>;
  readonly #common: CommonFaults<Member>;
  readonly #shortReigns: ShortReigns;

  constructor(readonly cluster: Cluster) {
    this.#schedule = new FaultSchedule(cluster.loop, cluster.options);
    this.#common = new CommonFaults(cluster, this.#schedule, [200, 6_000]);
    this.#shortReigns = new ShortReigns(cluster);
  }

  get counts(): ReadonlyMap<FaultKind, number> {
    return this.#schedule.counts;
  }

  start(): void {
    this.#schedule.start((kind) => this.#inject(kind));
  }

  /** Ends all faults, and everybody runs. */
  stop(): void {
    this.#schedule.stop();
    this.#shortReigns.stop();
    this.#common.stop();
    for (const member of this.cluster.members) if (!member.isUp) member.start();
  }

  /** For faults that are timed by what members do. */
  onReady(member: Member, ready: Ready): void {
    this.#shortReigns.onReady(member, ready);
  }

  #inject(kind: FaultKind): void {
    const { loop, members } = this.cluster;
    const victim = loop.pick(members);
    switch (kind) {
      case "transfer":
        loop.pick(members).act((node) => node.transferLeadership(victim.id));
        break;
      case "membership":
        this.#changeMembership();
        break;
      case "shortReigns":
        this.#shortReigns.allowFor(loop.between(4_000, 16_000));
        break;
      default:
        this.#common.inject(kind, victim, members);
    }
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
}
