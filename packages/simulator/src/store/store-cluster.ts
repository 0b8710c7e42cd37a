import { ConfChangeContext } from "@lenj/proto/raft";
import type { ConfChange, ConfState, MemberID } from "@lenj/raft";
import type { PeerAddress } from "@lenj/store/testing";
import { Network } from "../cluster/network.js";
import type { EventLoop } from "../world/event-loop.js";
import type { Coverage } from "./checkers/coverage.js";
import type { StoreObserver } from "./checkers/store-observer.js";
import type { Plant } from "./plants/plant.js";
import { StoreMember } from "./store-member.js";
import type { StoreOptions } from "./store-options.js";
import { SimulatedDisk } from "./world/simulated-disk.js";

const firstURL = (id: MemberID): string => `http://member-${id}:2380`;

/** All members there ever were, and what connects them. */
export class StoreCluster {
  readonly network: Network;
  readonly #members = new Map<MemberID, StoreMember>();

  constructor(
    readonly loop: EventLoop,
    readonly options: StoreOptions,
    readonly observer: StoreObserver,
    readonly plant: Plant,
    readonly coverage: Coverage,
  ) {
    this.network = new Network(loop, options, (message) => this.member(message.to)?.receive(message) ?? false);
    const ids = Array.from({ length: options.members }, (_, i) => BigInt(i + 1));
    const first = ids.map((id): ConfChange => {
      const member = { id, peerUrls: [firstURL(id)], name: `${id}`, clientUrls: [], isLearner: false };
      return {
        transition: "auto",
        changes: [{ type: "addVoter", memberID: id }],
        context: ConfChangeContext.encode({ requestId: 0n, member, promote: false, learnersMax: 0 }).finish(),
      };
    });
    for (const id of ids) this.#add(id, firstURL(id), first);
  }

  readonly defaultFsync = (): number => this.loop.between(...this.options.fsyncMs);

  get members(): readonly StoreMember[] {
    return [...this.#members.values()];
  }

  running(): StoreMember[] {
    return this.members.filter((member) => member.isUp);
  }

  member(id: MemberID): StoreMember | undefined {
    return this.#members.get(id);
  }

  start(): void {
    for (const member of this.members) member.start();
  }

  /** A machine for a member that the cluster has taken in. */
  join(id: MemberID, url: string): void {
    if (this.#members.has(id)) return;
    this.#add(id, url, []).start();
  }

  /** The leader of the highest term that is up, as it sees itself. */
  leader(): StoreMember | undefined {
    let best: StoreMember | undefined;
    let bestTerm = -1;
    for (const member of this.running()) {
      const status = member.node?.status();
      if (status?.role !== "leader" || status.term <= bestTerm) continue;
      best = member;
      bestTerm = status.term;
    }
    return best;
  }

  /** The membership as the member that has applied most knows it. */
  membership(): ConfState | undefined {
    let best: StoreMember | undefined;
    for (const member of this.running()) if (best === undefined || member.applied > best.applied) best = member;
    return best?.replica?.state.members.confState();
  }

  #known(): PeerAddress[] {
    const { voters, learners } = this.membership() ?? { voters: [...this.#members.keys()], learners: [] };
    return [...voters, ...learners].map((id) => ({ id, peerURLs: [this.member(id)?.url ?? ""] }));
  }

  #add(id: MemberID, url: string, first: readonly ConfChange[]): StoreMember {
    const { loop, options, observer, plant, network, coverage } = this;
    const rate = 1 + options.clockSkew * (2 * loop.random.next() - 1);
    const disk = new SimulatedDisk(loop, `member-${id}`, this.defaultFsync);
    const services = {
      ...{ network, options, observer, plant },
      logger: coverage.logger((line) => loop.trace(`member ${id} ${line}`)),
      peer: (other: MemberID) => this.member(other),
      peerAt: (other: string) => this.members.find((member) => member.url === other),
      known: () => this.#known(),
    };
    const member = new StoreMember(id, url, disk, first, rate, services);
    this.#members.set(id, member);
    return member;
  }
}
