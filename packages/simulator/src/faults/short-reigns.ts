import type { Ready } from "@lenj/raft";
import type { Cluster } from "../cluster/cluster.js";
import type { Member } from "../cluster/member.js";

/**
 * Cuts off or crashes each new leader soon, often between two messages, while the one before comes back: leadership hops among members
 * whose logs end differently, and what they wrote is on some and not on others (the raft paper's figures 7 and 8).
 */
export class ShortReigns {
  #untilMs = 0;
  /** Whose reign a commit is to end, and how many commits it has until then. */
  #endsWithCommit: Member | undefined;
  #commitsLeft = 0;
  /** Drawn for a whole series of reigns, so that series differ in kind. */
  #hasSlowDisks = false;
  #commitsMax = 1;
  #lastID = 0;

  constructor(readonly cluster: Cluster) {}

  /** From now on for `ms`, the present leader's reign included. */
  allowFor(ms: number): void {
    const { loop, network } = this.cluster;
    const untilMs = loop.nowMs + ms;
    this.#untilMs = untilMs;
    this.#hasSlowDisks = loop.chance(300);
    this.#commitsMax = loop.pick([1, 1, 4]);
    loop.after(ms, () => {
      if (this.#untilMs === untilMs) network.heal();
    });
    const leader = this.cluster.leader();
    if (leader !== undefined) this.#begin(leader);
  }

  stop(): void {
    this.#untilMs = 0;
    this.#endsWithCommit = undefined;
  }

  onReady(member: Member, ready: Ready): void {
    const { loop } = this.cluster;
    if (loop.nowMs >= this.#untilMs) return;
    if (member === this.#endsWithCommit && member.node?.status().role === "leader" && ready.committedEntries.length > 0) {
      this.#commitsLeft -= 1;
      if (this.#commitsLeft <= 0) this.#end(member);
    } else if (ready.softState?.role === "leader") {
      this.#begin(member);
    }
  }

  #begin(leader: Member): void {
    const { loop } = this.cluster;
    this.#endsWithCommit = undefined;
    const end = loop.pick(["atOnce", "withCommit", "later"] as const);
    if (this.#hasSlowDisks) this.#slowDisks(loop.between(100, 1_000));
    if (end === "withCommit") {
      this.#endsWithCommit = leader;
      this.#commitsLeft = loop.between(1, this.#commitsMax);
    } else if (end === "atOnce") this.#end(leader);
    else {
      const { incarnation } = leader;
      loop.after(loop.between(0, loop.pick([10, 100, 500])), () => {
        if (loop.nowMs < this.#untilMs && leader.incarnation === incarnation) this.#end(leader);
      });
    }
  }

  /** What the leader has sent and what is on its way to it is lost; whoever was cut off before is heard again. */
  #end(leader: Member): void {
    const { loop, members, network } = this.cluster;
    this.#endsWithCommit = undefined;
    loop.trace(`end of reign ${leader.id}`);
    network.heal();
    const others = members.filter((member) => member !== leader);
    if (others.length === 0) return;
    for (const other of others) {
      network.cut(leader.id, other.id);
      network.cut(other.id, leader.id);
    }
    // Not from within the leader's own work.
    loop.after(0, () => {
      // One more write that nobody else hears of.
      if (loop.chance(500)) leader.propose({ id: --this.#lastID, kind: "put", key: "reign", value: this.#lastID }, () => undefined);
      if (loop.chance(250)) this.#crash(leader);
    });
    // As if their clocks were quick: no leader's lease keeps the others from the next election.
    loop.after(loop.between(0, 1_000), () => {
      if (loop.nowMs >= this.#untilMs) return;
      for (const other of others) other.act((node) => node.forgetLeader());
      loop.pick(others).act((node) => node.campaign());
    });
  }

  /** Holds back the first commit of a reign, while heartbeats are answered. */
  #slowDisks(ms: number): void {
    for (const { disk } of this.cluster.members) disk.fsyncMs = () => ms;
    this.cluster.loop.after(ms, () => {
      for (const { disk } of this.cluster.members) disk.fsyncMs = this.cluster.defaultFsync;
    });
  }

  #crash(leader: Member): void {
    leader.crash();
    this.cluster.loop.after(this.cluster.loop.between(10, 1_500), () => {
      if (!leader.isUp) leader.start();
    });
  }
}
