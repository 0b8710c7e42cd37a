// Sends whole states to members that are too far behind for the log, or that lost their own.
//
// Owns:  transfers under way and those that wait, the states kept for transfers that broke off (held-states).
// S1. One transfer at a time to each member, `transfersMax` in all; further ones wait, and raft with them.
// S2. A chunk is read once the connection has room for it. It is a connection of its own: raft's messages do not wait behind it.
import type { FetchStateRequest, SnapshotChunk } from "@lenj/proto/raft";
import type { SnapMessage } from "@lenj/raft";
import { StoreError } from "../../core/errors.js";
import { type HeldState, HeldStates, type HeldStatesOptions } from "./held-states.js";
import { encodeMessage } from "./message-codec.js";
import { onSnapshotOver, type PeerCounts, type SnapshotCounts } from "./peer-counts.js";
import type { StateChannel } from "./state-channel.js";
import { resumePosition, stateBegin, stateChunks } from "./state-stream.js";

const transfersMax = 2;

export interface StateSenderOptions extends HeldStatesOptions {
  readonly clusterID: bigint;
  readonly counts: PeerCounts;
  readonly onSent: (id: bigint, ok: boolean) => void;
}

export class StateSender {
  readonly #held: HeldStates;
  /** By member: resolves once it is over. */
  readonly #transfers = new Map<bigint, Promise<void>>();
  readonly #waiting = new Map<bigint, () => Promise<void>>();
  readonly #channels = new Set<StateChannel>();
  readonly #closing = new AbortController();

  constructor(private readonly options: StateSenderOptions) {
    this.#held = new HeldStates(options);
  }

  /** The outcome goes to `onSent`. A member that has one under way is not sent another: the core asks again. */
  send(message: SnapMessage, connect: () => StateChannel): void {
    if (this.#closing.signal.aborted || this.#transfers.has(message.to)) return;
    this.#waiting.set(message.to, () => this.#push(message, connect));
    this.#startWaiting();
  }

  /** The state for a member that asks, from where it is. Rejects with TOO_MANY_REQUESTS. */
  async answer({ memberId, state, held: claimed }: FetchStateRequest): Promise<AsyncIterable<SnapshotChunk>> {
    this.#closing.signal.throwIfAborted();
    if (this.#transfers.has(memberId) || this.#transfers.size >= transfersMax) throw new StoreError("TOO_MANY_REQUESTS");
    // Not waited for at the end: who asked may take nothing for a long time, and reading a closed database only fails.
    this.#transfers.set(memberId, Promise.resolve());
    const end = (): void => this.#onOver(memberId);
    try {
      const held = await this.#held.takeNamed(memberId, state);
      const begin = state?.id === held.name.id && claimed !== undefined ? claimed : stateBegin;
      return this.#answerWith(held, begin, memberId, end);
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Breaks off what is under way; resolves once nothing reads the database any more. */
  async close(): Promise<void> {
    this.#closing.abort(new StoreError("STOPPED"));
    this.#waiting.clear();
    for (const channel of this.#channels) channel.cancel();
    await Promise.all(this.#transfers.values());
    await this.#held.close();
  }

  #startWaiting(): void {
    for (const [member, start] of this.#waiting) {
      if (this.#transfers.size >= transfersMax) return;
      this.#waiting.delete(member);
      this.#transfers.set(member, start());
    }
  }

  #onOver(member: bigint): void {
    this.#transfers.delete(member);
    if (!this.#closing.signal.aborted) this.#startWaiting();
  }

  async *#answerWith(
    held: HeldState,
    claimed: FetchStateRequest["held"] & object,
    member: bigint,
    end: () => void,
  ): AsyncGenerator<SnapshotChunk> {
    const { backend, clusterID } = this.options;
    let isSent = false;
    try {
      yield { chunk: { $case: "header", value: { clusterId: clusterID, message: undefined, state: held.name } } };
      const begin = await resumePosition(backend, held, claimed, this.#closing.signal);
      for await (const chunk of stateChunks(backend, held, begin)) {
        this.#closing.signal.throwIfAborted();
        yield chunk;
      }
      isSent = true;
    } finally {
      await this.#letGo(member, held, isSent);
      end();
    }
  }

  async #push(message: SnapMessage, connect: () => StateChannel): Promise<void> {
    const { clock, logger, onSent } = this.options;
    const { to } = message;
    const counts = this.options.counts.of(to).snapshotsSent;
    const startedMs = clock.monotonicMs();
    counts.inflight += 1;
    let ok = false;
    try {
      await this.#stream(message, connect, counts);
      ok = true;
    } catch (error) {
      logger.warn("Snapshot did not arrive", { peer: to.toString(16), index: message.snapshot.metadata.index, error });
    }
    onSnapshotOver(counts, ok, clock.monotonicMs() - startedMs);
    this.#onOver(to);
    onSent(to, ok);
  }

  async #stream(message: SnapMessage, connect: () => StateChannel, counts: SnapshotCounts): Promise<void> {
    const held = await this.#held.take(message.to);
    let isSent = false;
    try {
      this.#closing.signal.throwIfAborted();
      const channel = connect();
      this.#channels.add(channel);
      try {
        await this.#carry(message, held, channel, counts);
        isSent = true;
      } finally {
        this.#channels.delete(channel);
        if (!isSent) channel.cancel();
      }
    } finally {
      await this.#letGo(message.to, held, isSent);
    }
  }

  async #carry(message: SnapMessage, held: HeldState, channel: StateChannel, counts: SnapshotCounts): Promise<void> {
    const { backend, clusterID, logger } = this.options;
    const { index } = held.name;
    const peer = message.to.toString(16);
    const header = { clusterId: clusterID, message: encodeMessage(message), state: held.name };
    await channel.write({ chunk: { $case: "header", value: header } });
    const first = await channel.reply();
    if (first.notNeeded) {
      logger.info("Snapshot was not needed", { peer, index });
      return;
    }
    const begin = await resumePosition(backend, held, first.held ?? stateBegin, this.#closing.signal);
    if (begin.sizeBytes > 0) counts.resumed += 1;
    logger.info(begin.sizeBytes > 0 ? "Resuming snapshot" : "Sending snapshot", { peer, index, fromByte: begin.sizeBytes });
    for await (const chunk of stateChunks(backend, held, begin)) {
      this.#closing.signal.throwIfAborted();
      await channel.write(chunk);
      if (chunk.chunk?.$case === "data") counts.bytes += chunk.chunk.value.length;
    }
    channel.end();
    await channel.reply();
    logger.info("Sent snapshot", { peer, index });
  }

  async #letGo(member: bigint, held: HeldState, isSent: boolean): Promise<void> {
    if (isSent || this.#closing.signal.aborted) await this.#held.drop(held);
    else this.#held.keep(member, held);
  }
}
