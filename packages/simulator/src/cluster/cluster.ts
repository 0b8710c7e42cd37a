import { bootstrapLog, type ConfChange, type ConfState, type MemberID } from "@lenj/raft";
import type { SimulationOptions } from "../options.js";
import type { EventLoop } from "../world/event-loop.js";
import { Disk } from "./disk.js";
import { Member, type MemberObserver, type PlantedBugs } from "./member.js";
import { Network } from "./network.js";

const noContext = new Uint8Array(0);

/** All members, in the configuration or not, and what connects them. */
export class Cluster {
  readonly members: Member[] = [];
  readonly network: Network;

  constructor(
    readonly loop: EventLoop,
    readonly options: SimulationOptions,
    observer: MemberObserver,
    bugs: PlantedBugs,
  ) {
    this.network = new Network(loop, options, (message) => this.member(message.to)?.receive(message) ?? false);
    const services = { loop, options, observer, bugs, network: this.network };
    const first = Array.from({ length: options.members }, (_, i) => BigInt(i + 1));
    const { hardState, entries } = bootstrapLog(
      first.map((memberID): ConfChange => ({ transition: "auto", changes: [{ type: "addVoter", memberID }], context: noContext })),
    );
    const mangle =
      bugs.forgetVote === true ? { mangleHardState: <T extends { vote: MemberID }>(state: T): T => ({ ...state, vote: 0n }) } : {};
    for (let i = 0; i < options.members + options.spares; i += 1) {
      const disk = new Disk(loop, { fsyncMs: this.defaultFsync, ...mangle });
      if (i < options.members) disk.format(hardState, entries);
      this.members.push(new Member(BigInt(i + 1), disk, services));
    }
  }

  readonly defaultFsync = (): number => this.loop.between(...this.options.fsyncMs);

  start(): void {
    for (const member of this.members) member.start();
  }

  member(id: MemberID): Member | undefined {
    return this.members[Number(id) - 1];
  }

  /** The leader of the highest term that is up, as it sees itself. */
  leader(): Member | undefined {
    let best: Member | undefined;
    let bestTerm = -1;
    for (const member of this.members) {
      const status = member.node?.status();
      if (status?.role !== "leader" || status.term <= bestTerm) continue;
      best = member;
      bestTerm = status.term;
    }
    return best;
  }

  /** The membership as the member that has applied most knows it. */
  membership(): ConfState | undefined {
    let best: Member | undefined;
    for (const member of this.members) if (member.isUp && (best === undefined || member.applied > best.applied)) best = member;
    return best?.node?.status().confState;
  }
}
