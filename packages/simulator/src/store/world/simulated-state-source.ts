// The call by which a member that lost its state asks a peer for another one; the chunks come back along it.
//
// C1. Chunks come in order, or not at all once the call is broken. Either end hears of that, though perhaps late.
import type { FetchStateRequest, SnapshotChunk } from "@lenj/proto/raft";
import type { PeerAddress, StateSource } from "@lenj/store/testing";
import type { Network } from "../../cluster/network.js";
import type { StoreMember } from "../store-member.js";
import { Inbox } from "./inbox.js";
import type { SimulatedProcess } from "./process.js";

const chunkLossPerMille = 50;
/** Share of refills that break because one of the two ends dies. */
const crashPerMille = 400;
/** Share of states that take long, and of broken calls that are noticed late. */
const slowPerMille = 200;

export interface SourceParts {
  readonly asking: StoreMember;
  readonly process: SimulatedProcess;
  readonly network: Network;
  readonly peer: StoreMember | undefined;
}

export class SimulatedStateSource implements StateSource {
  readonly #chunks: Inbox<SnapshotChunk>;
  readonly #members: Inbox<readonly PeerAddress[]>;
  readonly #room: Inbox<"room">;
  readonly #connection = { breakOff: () => this.close() };
  readonly #isSlow: boolean;
  #isBroken = false;
  #isComplete = false;

  constructor(readonly parts: SourceParts) {
    const { process, network, peer } = parts;
    this.#isSlow = network.loop.chance(slowPerMille);
    this.#chunks = new Inbox((action) => process.run(action));
    this.#members = new Inbox((action) => process.run(action));
    this.#room = new Inbox(peer?.runner() ?? ((): void => {}));
  }

  async *fetch(request: FetchStateRequest): AsyncGenerator<SnapshotChunk, void, undefined> {
    const { asking, peer } = this.parts;
    asking.connections.add(this.#connection);
    peer?.connections.add(this.#connection);
    this.#later(() => {
      const isServed = peer?.sendState(
        request,
        (chunk) => this.#write(chunk),
        (isComplete) => this.#end(isComplete),
      );
      if (isServed !== true) this.close();
    });
    for (let next = await this.#chunks.take(); next !== undefined; next = await this.#chunks.take()) yield next;
    if (!this.#isComplete) throw new Error("the call is broken");
  }

  async members(): Promise<readonly PeerAddress[]> {
    this.#later(() => {
      const known = this.parts.peer?.replica?.state.members.list();
      if (known === undefined) this.close();
      else this.#later(() => this.#members.put(known.map(({ id, peerUrls }) => ({ id, peerURLs: peerUrls }))));
    });
    const members = await this.#members.take();
    if (members === undefined) throw new Error("the call is broken");
    return members;
  }

  close(): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    const { network, asking, peer } = this.parts;
    asking.connections.delete(this.#connection);
    peer?.connections.delete(this.#connection);
    const { loop } = network;
    const noticeMs = (): number => (loop.chance(slowPerMille) ? loop.between(1_000, 10_000) : loop.between(...network.options.delayMs));
    loop.after(noticeMs(), () => {
      this.#chunks.close();
      this.#members.close();
    });
    loop.after(noticeMs(), () => this.#room.close());
  }

  /** On the way from asking to asked. */
  #later(action: () => void): void {
    const { network, asking, peer } = this.parts;
    network.loop.after(network.loop.between(...network.options.delayMs), () => {
      if (peer === undefined || network.isCut(asking.id, peer.id) || network.isCut(peer.id, asking.id)) this.close();
      else if (!this.#isBroken) action();
    });
  }

  async #write(chunk: SnapshotChunk): Promise<void> {
    const { network } = this.parts;
    const { loop } = network;
    if (this.#isBroken) throw new Error("the call is broken");
    loop.after(this.#isSlow ? loop.between(50, 1_500) : loop.between(1, 50), () =>
      this.#later(() => {
        if (!network.isCalm && loop.chance(network.lossPerMille / 4 + chunkLossPerMille)) {
          this.#fail();
          return;
        }
        this.#chunks.put(chunk);
        this.#room.put("room");
      }),
    );
    if ((await this.#room.take()) === undefined) throw new Error("the call is broken");
  }

  #end(isComplete: boolean): void {
    this.#later(() => {
      this.#isComplete = isComplete;
      this.close();
    });
  }

  /** In the middle of a state: the link alone, or one of the ends with it. */
  #fail(): void {
    const { network, asking, peer } = this.parts;
    const { loop } = network;
    const victim = loop.chance(crashPerMille) ? (loop.chance(500) ? asking : peer) : undefined;
    this.close();
    if (victim === undefined) return;
    loop.trace(`refill breaks ${victim.id}`);
    victim.crash();
    loop.after(loop.between(10, 1_000), () => victim.start());
  }
}
