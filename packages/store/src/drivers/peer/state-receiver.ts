// Takes the states that leaders send to this member, one at a time.
//
// Owns:  what is there of a state whose transfer broke off: it goes when another is sent, when the member is as far without it, or after a time.
// Not:   rows and checksums (incoming-state), putting a state in place (member).
import type { Clock, Logger, Timer } from "@lenj/base";
import type { SnapshotChunk, SnapshotReply } from "@lenj/proto/raft";
import { IncomingState, type PartialStates } from "./incoming-state.js";
import { onSnapshotOver, type PeerCounts, type SnapshotCounts } from "./peer-counts.js";

/** How long what arrived waits for the rest: longer than senders keep it, across a restart of this member. */
const partialKeptMs = 600_000;

export interface StateReceiverOptions {
  readonly clusterID: bigint;
  readonly partials: PartialStates;
  readonly counts: PeerCounts;
  readonly clock: Clock;
  readonly logger: Logger;
  appliedIndex(): number;
  /** Its data is being opened anew, or fetched: nothing may be pushed to it. */
  isOutOfService(): boolean;
  /** A complete state waits; resolves once it is in use. */
  replaceState(): Promise<void>;
  /** Ends the wait for the rest of a state. */
  readonly signal: AbortSignal;
}

interface Transfer {
  readonly superseded: AbortController;
  readonly over: Promise<void>;
  /** All rows are there. */
  isComplete: boolean;
}

export class StateReceiver {
  #current: Transfer | undefined;
  #expiry: Timer | undefined;

  constructor(private readonly options: StateReceiverOptions) {
    this.#expireLater();
    options.signal.addEventListener("abort", () => this.#expiry?.cancel());
  }

  /** Resolves once the state is in use, or turned out not to be needed. */
  async receive(chunks: AsyncIterable<SnapshotChunk>, reply: (reply: SnapshotReply) => void): Promise<void> {
    if (this.options.isOutOfService()) throw new Error("this member is out of service");
    // A sender that begins again knows that the transfer before broke; this end of it may not have heard.
    await this.#supersede();
    const superseded = new AbortController();
    let over = (): void => {};
    const current: Transfer = { superseded, over: new Promise((resolve) => (over = resolve)), isComplete: false };
    this.#current = current;
    this.#expiry?.cancel();
    try {
      if (!(await this.#take(unlessAborted(chunks, superseded.signal), reply))) return;
      current.isComplete = true;
      await this.options.replaceState();
      reply({ held: undefined, notNeeded: false, done: true });
    } finally {
      this.#current = undefined;
      over();
      this.#expireLater();
    }
  }

  async #supersede(): Promise<void> {
    for (let current = this.#current; current !== undefined; current = this.#current) {
      if (current.isComplete) throw new Error("another snapshot is being received");
      current.superseded.abort(new Error("the transfer has begun anew"));
      await current.over;
    }
  }

  /** Returns false when the state here is as new already: a late snapshot must not take it back. */
  async #take(chunks: AsyncIterable<SnapshotChunk>, reply: (reply: SnapshotReply) => void): Promise<boolean> {
    const { clusterID, counts, clock, logger, partials } = this.options;
    const startedMs = clock.monotonicMs();
    let incoming: IncomingState | undefined;
    let received: SnapshotCounts | undefined;
    let isOver = false;
    try {
      for await (const { chunk } of chunks) {
        if (this.options.isOutOfService()) throw new Error("this member is out of service");
        if (chunk?.$case === "header") {
          const { state, clusterId } = chunk.value;
          if (clusterId !== clusterID) throw new Error("cluster ID mismatch");
          if (state === undefined) throw new Error("the snapshot has no name");
          received = counts.of(state.from).snapshotsReceived;
          received.inflight += 1;
          if (state.index <= this.options.appliedIndex()) {
            logger.info("Snapshot is not needed", { index: state.index });
            reply({ held: undefined, notNeeded: true, done: true });
            isOver = true;
            return false;
          }
          incoming = await IncomingState.open(partials, state, logger);
          reply({ held: incoming.held, notNeeded: false, done: false });
        } else if (incoming === undefined || received === undefined) throw new Error("the snapshot came without its header");
        else if (chunk?.$case === "begin") {
          await incoming.begin(chunk.value, logger);
          const { sizeBytes: fromByte } = incoming.held;
          if (fromByte > 0) received.resumed += 1;
          const { index, from } = incoming.name;
          logger.info(fromByte > 0 ? "Resuming snapshot" : "Receiving snapshot", { leader: from.toString(16), index, fromByte });
        } else if (chunk?.$case === "data") {
          await incoming.write(chunk.value);
          received.bytes += chunk.value.length;
        } else if (chunk?.$case === "trailer") {
          const endedMs = clock.monotonicMs();
          isOver = true;
          await incoming.finish(chunk.value);
          counts.stateSynced.observe(clock.monotonicMs() - endedMs);
          counts.stateSaved.observe(clock.monotonicMs() - startedMs);
          const { index, from } = incoming.name;
          logger.info("Received snapshot", { leader: from.toString(16), index, bytes: chunk.value.sizeBytes });
          onSnapshotOver(received, true, clock.monotonicMs() - startedMs);
          received = undefined;
          return true;
        }
      }
      throw new Error("the snapshot ended early");
    } finally {
      if (!isOver) await incoming?.release();
      if (received !== undefined) onSnapshotOver(received, isOver && incoming === undefined, clock.monotonicMs() - startedMs);
    }
  }

  #expireLater(): void {
    const { partials, clock, logger, signal } = this.options;
    if (signal.aborted || partials.list().length === 0) return;
    this.#expiry = clock.after(partialKeptMs, () => {
      for (const name of partials.list()) {
        logger.info("Dropped what had arrived of a snapshot: the rest did not come", { index: name.index });
        partials.drop(name);
      }
    });
  }
}

async function* unlessAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  const iterator = items[Symbol.asyncIterator]();
  const aborted = new Promise<undefined>((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined));
  });
  for (;;) {
    const next = await Promise.race([iterator.next(), aborted]);
    signal.throwIfAborted();
    if (next === undefined || next.done === true) return;
    yield next.value;
  }
}
