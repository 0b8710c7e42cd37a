import type { Message, SnapMessage } from "@lenj/raft";
import type { LeaseForwarder, LevelBackend, PeerAddress, PeerTransport, PromotionForwarder } from "@lenj/store/testing";
import type { Network } from "../../cluster/network.js";
import type { StoreMember } from "../store-member.js";
import type { SimulatedProcess } from "./process.js";

/** A call to a peer is given up after this long. */
const callTimeoutMs = 5_000;
/** Share of whole states that take so long that the receiver may have moved on meanwhile. */
const slowStatesPerMille = 200;

export interface TransportParts {
  readonly id: bigint;
  readonly process: SimulatedProcess;
  readonly network: Network;
  readonly backend: LevelBackend;
  readonly peer: (id: bigint) => StoreMember | undefined;
  /** Sees each message that leaves. */
  readonly onSent: (message: Message) => void;
}

/** A whole state on its way: its head is there, the rest takes `transferMs`. */
export interface StateTransfer {
  readonly message: SnapMessage;
  readonly chunks: readonly (readonly (readonly [key: Buffer, value: Buffer])[])[];
  readonly transferMs: number;
}

/** A member's ways to its peers: the network's faults, with the promises that the real transport makes. */
export class SimulatedTransport implements PeerTransport, LeaseForwarder, PromotionForwarder {
  #peers = new Set<bigint>();
  readonly #sendingSnapshot = new Set<bigint>();
  events: { onUnreachable(id: bigint): void; onSnapshotSent(id: bigint, ok: boolean): void } = {
    onUnreachable: () => {},
    onSnapshotSent: () => {},
  };

  constructor(readonly parts: TransportParts) {}

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
    if (!this.#peers.has(to) || this.#sendingSnapshot.has(to)) {
      if (!this.#peers.has(to)) this.events.onSnapshotSent(to, false);
      return;
    }
    this.#sendingSnapshot.add(to);
    this.#ship(message)
      .catch(() => false)
      .then((ok) => {
        this.#sendingSnapshot.delete(to);
        this.events.onSnapshotSent(to, ok);
      })
      .catch(() => {});
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

  close(): Promise<void> {
    this.#peers.clear();
    return Promise.resolve();
  }

  async #ship(message: SnapMessage): Promise<boolean> {
    const { backend, network, process, id } = this.parts;
    await backend.flush();
    const chunks: StateTransfer["chunks"][number][] = [];
    for await (const rows of backend.allRows()) if (rows.length > 0) chunks.push(rows);
    const { loop } = network;
    return await new Promise<boolean>((resolve) => {
      // A stream may break off at any point; what arrived by then is thrown away. Or all of it arrives, and the word of that does not.
      const breaks = loop.chance(network.lossPerMille / 2);
      const losesAnswer = loop.chance(network.lossPerMille / 2 + 50);
      const transferMs = loop.chance(slowStatesPerMille) ? loop.between(400, 5_000) : loop.between(5, 400);
      loop.after(loop.between(...network.options.delayMs), () => {
        const receiver = this.parts.peer(message.to);
        const isLost = breaks || receiver === undefined || network.isCut(id, message.to);
        const done = (ok: boolean): void =>
          loop.after(loop.between(...network.options.delayMs), () => process.run(() => resolve(ok && !losesAnswer)));
        if (isLost) loop.after(transferMs, () => done(false));
        else receiver.receiveState({ message, chunks, transferMs }, done);
      });
    });
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
