// The call that carries a whole state from one simulated member to another, chunk by chunk.
//
// C1. Chunks and answers come in order, or not at all once the call is broken.
// C2. Who did not break it hears of that late, or never: the receiver may still wait for the rest when the sender begins anew.
import type { SnapshotChunk, SnapshotReply } from "@lenj/proto/raft";
import type { StateChannel } from "@lenj/store/testing";
import type { Network } from "../../cluster/network.js";
import type { StoreMember } from "../store-member.js";
import { Inbox } from "./inbox.js";
import type { SimulatedProcess } from "./process.js";

/** Share of states that take so long that the receiver may have moved on meanwhile. */
const slowStatesPerMille = 200;
/** Share of broken calls whose receiver never hears of it. */
const halfOpenPerMille = 300;
const replyLossPerMille = 20;
const chunkLossPerMille = 30;
/** Share of transfers that break because one of the two ends dies. */
const crashPerMille = 300;

export interface ChannelParts {
  readonly from: bigint;
  readonly to: bigint;
  readonly process: SimulatedProcess;
  readonly network: Network;
  readonly peer: (id: bigint) => StoreMember | undefined;
}

export class SimulatedStateChannel implements StateChannel {
  readonly #replies: Inbox<SnapshotReply>;
  readonly #room: Inbox<"room">;
  readonly #chunks: Inbox<SnapshotChunk>;
  readonly #chunkMs: () => number;
  readonly #connection = { breakOff: () => this.#break() };
  #receiver: StoreMember | undefined;
  #isBroken = false;

  constructor(readonly parts: ChannelParts) {
    const { network, process, peer, to } = parts;
    const { loop } = network;
    this.#replies = new Inbox((action) => process.run(action));
    this.#room = new Inbox((action) => process.run(action));
    const isSlow = loop.chance(slowStatesPerMille);
    this.#chunkMs = () => (isSlow ? loop.between(50, 1_500) : loop.between(1, 50));
    this.#receiver = peer(to);
    const runner = this.#receiver?.runner() ?? ((): void => {});
    this.#chunks = new Inbox(runner);
    if (this.#receiver?.isUp !== true) {
      this.#break();
      return;
    }
    this.#receiver.connections.add(this.#connection);
    this.#receiver
      .receiveState(this.#incoming(), (reply) => this.#answer(reply))
      .then(
        () => this.#receiver?.connections.delete(this.#connection),
        () => this.#break(),
      );
  }

  async write(chunk: SnapshotChunk): Promise<void> {
    const { network, from, to } = this.parts;
    if (this.#isBroken) throw new Error("the call is broken");
    network.loop.after(network.loop.between(...network.options.delayMs) + this.#chunkMs(), () => {
      if (network.isCut(from, to)) this.#break();
      else if (!network.isCalm && network.loop.chance(network.lossPerMille / 4 + chunkLossPerMille)) this.#fail();
      if (this.#isBroken) return;
      this.#chunks.put(chunk);
      this.#room.put("room");
    });
    if ((await this.#room.take()) === undefined) throw new Error("the call is broken");
  }

  async reply(): Promise<SnapshotReply> {
    const reply = await this.#replies.take();
    if (reply === undefined) throw new Error("the call is broken");
    return reply;
  }

  end(): void {}

  cancel(): void {
    this.#break();
  }

  async *#incoming(): AsyncGenerator<SnapshotChunk, void, undefined> {
    for (let next = await this.#chunks.take(); next !== undefined; next = await this.#chunks.take()) yield next;
  }

  #answer(reply: SnapshotReply): void {
    const { network, from, to } = this.parts;
    const isLost = network.loop.chance(network.lossPerMille / 4 + replyLossPerMille);
    network.loop.after(network.loop.between(...network.options.delayMs), () => {
      if (isLost || network.isCut(to, from)) this.#break();
      else this.#replies.put(reply);
    });
  }

  /** In the middle of a state: the link alone, or one of the ends with it. */
  #fail(): void {
    const { network, from, to, peer } = this.parts;
    const { loop } = network;
    this.#break();
    const victim = loop.chance(crashPerMille) ? peer(loop.chance(500) ? from : to) : undefined;
    if (victim === undefined) return;
    victim.crash();
    loop.after(loop.between(10, 1_000), () => victim.start());
  }

  #break(): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    const { network } = this.parts;
    this.#receiver?.connections.delete(this.#connection);
    network.loop.after(network.loop.between(...network.options.delayMs), () => {
      this.#replies.close();
      this.#room.close();
    });
    if (!network.loop.chance(halfOpenPerMille))
      network.loop.after(network.loop.between(...network.options.delayMs), () => this.#chunks.close());
  }
}
