import type { Clock, Logger, Random } from "@lenj/base";
import type { FetchStateRequest, SnapshotChunk } from "@lenj/proto/raft";
import type { Message, SnapMessage } from "@lenj/raft";
import {
  type HashReport,
  type LeaseForwarder,
  type LevelBackend,
  type PeerAddress,
  type PeerCounts,
  type PeerTransport,
  type PromotionForwarder,
  StateSender,
} from "@lenj/store/testing";
import type { Network } from "../../cluster/network.js";
import type { StoreMember } from "../store-member.js";
import type { SimulatedProcess } from "./process.js";
import { SimulatedStateChannel } from "./simulated-state-channel.js";

/** A call to a peer is given up after this long. */
const callTimeoutMs = 5_000;

export interface TransportParts {
  readonly id: bigint;
  readonly process: SimulatedProcess;
  readonly network: Network;
  readonly backend: LevelBackend;
  readonly clusterID: bigint;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counts: PeerCounts;
  /** Entries after this one are in the log. */
  readonly logBegin: () => number;
  readonly peer: (id: bigint) => StoreMember | undefined;
  /** Sees each message that leaves. */
  readonly onSent: (message: Message) => void;
}

/** A member's ways to its peers: the network's faults, with the promises that the real transport makes. */
export class SimulatedTransport implements PeerTransport, LeaseForwarder, PromotionForwarder {
  #peers = new Set<bigint>();
  readonly #sender: StateSender;
  events: { onUnreachable(id: bigint): void; onSnapshotSent(id: bigint, ok: boolean): void } = {
    onUnreachable: () => {},
    onSnapshotSent: () => {},
  };

  constructor(readonly parts: TransportParts) {
    const { id: memberID, clusterID, backend, random, clock, counts, logBegin, logger } = parts;
    this.#sender = new StateSender({
      ...{ clusterID, memberID, backend, random, clock, counts, logBegin, logger },
      onSent: (id, ok) => this.events.onSnapshotSent(id, ok),
    });
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#peers = new Set(peers.map(({ id }) => id));
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      this.parts.onSent(message);
      if (!this.#peers.has(message.to)) continue;
      this.parts.network.send(message, (arrived) => {
        if (!arrived) this.parts.process.run(() => this.events.onUnreachable(message.to));
      });
    }
  }

  sendSnapshot(message: SnapMessage): void {
    const { to } = message;
    this.parts.onSent(message);
    if (!this.#peers.has(to)) {
      this.events.onSnapshotSent(to, false);
      return;
    }
    const { id: from, process, network, peer } = this.parts;
    this.#sender.send(message, () => new SimulatedStateChannel({ from, to, process, network, peer }));
  }

  connectedForMs(id: bigint): number | undefined {
    const { network } = this.parts;
    return network.isCut(this.parts.id, id) || this.parts.peer(id)?.isUp !== true ? undefined : 10_000;
  }

  renewAt(leaderID: bigint, id: bigint): Promise<number | undefined> {
    return this.#call(leaderID, (leader) => leader.renewLease(id));
  }

  timesAt(leaderID: bigint, id: bigint): Promise<{ readonly remainingSeconds: number; readonly grantedSeconds: number } | undefined> {
    return this.#call(leaderID, (leader) => leader.leaseTimes(id));
  }

  promoteAt(leaderID: bigint, id: bigint): Promise<void> {
    return this.#call(leaderID, (leader) => leader.promote(id));
  }

  hashAt(id: bigint, revision: number): Promise<HashReport> {
    return this.#call(id, (peer) => peer.currentHash(revision));
  }

  quarantineAt(id: bigint, majority: HashReport): Promise<boolean> {
    return this.#call(id, (peer) => peer.quarantine(majority));
  }

  stateFor(request: FetchStateRequest): Promise<AsyncIterable<SnapshotChunk>> {
    return this.#sender.answer(request);
  }

  async close(): Promise<void> {
    await this.#sender.close();
    this.#peers.clear();
  }

  #call<T>(to: bigint, ask: (member: StoreMember) => Promise<T>): Promise<T> {
    const { network, process, id } = this.parts;
    const { loop } = network;
    const delay = (): number => loop.between(...network.options.delayMs);
    return new Promise((resolve, reject) => {
      const timer = process.after(callTimeoutMs, () => reject(new Error("deadline exceeded")));
      const answer = (settle: () => void): void =>
        loop.after(delay(), () => {
          if (network.isCut(to, id)) return;
          process.run(() => {
            timer.cancel();
            settle();
          });
        });
      loop.after(delay(), () => {
        const member = network.isCut(id, to) || !this.#peers.has(to) ? undefined : this.parts.peer(to);
        if (member === undefined) return;
        member.whenRunning(() => {
          ask(member).then(
            (value) => answer(() => resolve(value)),
            (error: unknown) => answer(() => reject(error as Error)),
          );
        });
      });
    });
  }
}
