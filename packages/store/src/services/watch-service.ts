// etcdserverpb.Watch: many watches on one stream.
//
// Owns:  the watches of each stream and what is on its way to the client.
// S1. The `created` answer of a watch precedes its events; nothing follows its `canceled` answer.
// S2. A stream whose client does not read is not written to beyond its window: its watches fall behind and catch up from storage.
// S3. A client that asked for it (`hasleader`) loses its stream, instead of waiting for nothing, once this member has long known no leader.
// Source: etcd server/etcdserver/api/v3rpc/watch.go.

import type { Timer } from "@lenj/base";
import { type KeyEvent, keyRangeFromWire, type Watcher, type WatchSink } from "@lenj/mvcc";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcDuplexStream, RpcHandlers } from "@lenj/rpc-server";
import { authorizeRange, type RangeLike } from "../core/auth/authorize.js";
import { goErrorText, StoreError } from "../core/errors.js";
import { encodeEvent, encodeWatch, type Header, type WatchMessage } from "./answer-codec.js";
import type { ServiceContext } from "./context.js";

type WatchCall = RpcDuplexStream<etcdserverpb.WatchRequest, Buffer>;

const { WatchCreateRequest_FilterType: FilterType } = etcdserverpb;
const progressIntervalMs = 600_000;
/** Election timeouts without a leader after which such streams end. */
const leaderlessElections = 3;
/** Stands for the stream as a whole, and for a watch that could not be created. */
const streamWatchID = -1;
const duplicateReason = "mvcc: duplicate watch ID provided on the WatchStream";
const compactedReason = "etcdserver: mvcc: required revision has been compacted";
const invalidRangeReason = "mvcc: watcher range is empty";

export function watchService(context: ServiceContext): RpcHandlers {
  const shared = new SharedEvents(context);
  return { watch: (call: WatchCall) => new WatchStream(call, context, shared) };
}

/** What was sent last: each change goes to every watcher of its key, whose streams come here one after the other with the same list. */
class SharedEvents {
  #events: readonly KeyEvent[] | undefined;
  #revision = 0;
  encoded: readonly Uint8Array[] = [];
  header: Header | undefined;
  sentMs = 0;

  constructor(private readonly context: ServiceContext) {}

  take(events: readonly KeyEvent[], revision: number): void {
    if (events === this.#events && revision === this.#revision) return;
    this.#events = events;
    this.#revision = revision;
    this.encoded = events.map((event) => encodeEvent(event, undefined));
    this.header = this.context.header(revision);
    this.sentMs = this.context.clock.monotonicMs();
  }
}

class WatchStream implements WatchSink {
  readonly #watchers = new Map<number, Watcher>();
  #nextID = 0;
  #isClosed = false;
  #progress: Timer | undefined;
  #leaderCheck: Timer | undefined;
  /** Watches that a compaction ended. As upstream, their IDs stay taken until the client cancels them, which is answered. */
  readonly #compacted = new Set<number>();

  constructor(
    readonly call: WatchCall,
    readonly context: ServiceContext,
    readonly shared: SharedEvents,
  ) {
    context.streams.add(this);
    call.onMessage = context.access.inOrder(
      call,
      (request) => this.#onRequest(request),
      (error) => call.fail(error),
    );
    call.onDrain = () => context.replica.watches.wake();
    // A client that has said everything goes on listening: only its cancellation ends the stream, as upstream.
    call.onClose = () => this.close();
    this.#armProgress();
    if (call.metadata.get("hasleader") === "true") this.#armLeaderCheck();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.context.streams.delete(this);
    this.#progress?.cancel();
    this.#leaderCheck?.cancel();
    for (const watcher of this.#watchers.values()) this.context.replica.watches.remove(watcher);
    this.#watchers.clear();
    this.call.end();
  }

  isWritable(): boolean {
    return !this.#isClosed && !this.call.needsDrain;
  }

  sendEvents(watcher: Watcher, events: readonly KeyEvent[], revision: number): void {
    if (this.#isClosed) return;
    const { shared, context } = this;
    shared.take(events, revision);
    watcher.sentMs = shared.sentMs;
    const encoded = watcher.wantsPrevious ? this.#withPrevious(events) : shared.encoded;
    const send = (part: Pick<WatchMessage, "events" | "fragment">): void => {
      this.call.write(encodeWatch({ watchID: watcher.id, ...part }, shared.header as Header));
    };
    if (watcher.wantsFragments) for (const part of fragments(encoded, context.maxRequestBytes)) send(part);
    else send({ events: encoded });
  }

  #withPrevious(events: readonly KeyEvent[]): Uint8Array[] {
    const { space } = this.context.replica.state;
    return events.map((event) => encodeEvent(event, space.previousOf(event)));
  }

  sendCompacted(watcher: Watcher, compactRevision: number): void {
    this.#watchers.delete(watcher.id);
    this.#compacted.add(watcher.id);
    this.#send({ watchID: watcher.id, canceled: true, compactRevision });
  }

  #onRequest({ requestUnion }: etcdserverpb.WatchRequest): void {
    switch (requestUnion?.$case) {
      case "createRequest":
        this.#create(requestUnion.value);
        return;
      case "cancelRequest":
        this.#cancel(Number(requestUnion.value.watchId));
        return;
      case "progressRequest":
        this.#reportStreamProgress();
        return;
      case undefined:
        return;
    }
  }

  #create(request: etcdserverpb.WatchCreateRequest): void {
    const { watches, state } = this.context.replica;
    // An empty key means all keys: a single zero byte is the first possible one.
    const key = request.key.length === 0 ? Buffer.from([0]) : request.key;
    const isReversed =
      request.rangeEnd.length > 0 &&
      !(request.rangeEnd.length === 1 && request.rangeEnd[0] === 0) &&
      Buffer.compare(key, request.rangeEnd) >= 0;
    const asked = Number(request.watchId);
    const isDuplicate = asked !== 0 && this.#isTaken(asked);
    const refusal = request.startRevision < 0 ? compactedReason : this.#refusal({ key, rangeEnd: request.rangeEnd });
    if (isReversed || isDuplicate || refusal !== undefined) {
      const cancelReason = refusal ?? (isReversed ? invalidRangeReason : duplicateReason);
      this.#send({ watchID: streamWatchID, created: true, canceled: true, cancelReason });
      return;
    }
    const id = asked === 0 ? this.#freeID() : asked;
    this.#send({ watchID: id, created: true }, state.space.currentRevision);
    const watcher = watches.add({
      id,
      sink: this,
      range: keyRangeFromWire(key, request.rangeEnd),
      startRevision: request.startRevision,
      skipPuts: request.filters.includes(FilterType.NOPUT),
      skipDeletes: request.filters.includes(FilterType.NODELETE),
      wantsPrevious: request.prevKv,
      wantsProgress: request.progressNotify,
      wantsFragments: request.fragment,
    });
    this.#watchers.set(id, watcher);
    watcher.sentMs = this.context.clock.monotonicMs();
  }

  /** Why the client may not see these keys, in the words of a Go client's error. */
  #refusal(keys: RangeLike): string | undefined {
    const { access, replica } = this.context;
    try {
      if (replica.state.auth.isEnabled) authorizeRange(replica.state, access.identityOf(this.call), keys);
      return undefined;
    } catch (error) {
      return goErrorText(error);
    }
  }

  #freeID(): number {
    while (this.#isTaken(this.#nextID)) this.#nextID += 1;
    return this.#nextID++;
  }

  #isTaken(id: number): boolean {
    return this.#watchers.has(id) || this.#compacted.has(id);
  }

  #cancel(id: number): void {
    const watcher = this.#watchers.get(id);
    if (watcher === undefined) {
      if (this.#compacted.delete(id)) this.#send({ watchID: id, canceled: true });
      return;
    }
    this.#watchers.delete(id);
    this.context.replica.watches.remove(watcher);
    this.#send({ watchID: id, canceled: true });
  }

  /** Only when every watch of the stream has begun and is caught up does one revision hold for all of them. */
  #reportStreamProgress(): void {
    const current = this.context.replica.state.space.currentRevision;
    const isTrueOf = (watcher: Watcher): boolean => watcher.isSynced && watcher.startRevision <= current;
    if ([...this.#watchers.values()].every(isTrueOf)) this.#send({ watchID: streamWatchID });
  }

  #armProgress(): void {
    const { clock, watchProgressMs = progressIntervalMs } = this.context;
    this.#progress = clock.after(watchProgressMs / 10, () => {
      for (const watcher of this.#watchers.values()) {
        const isQuiet = clock.monotonicMs() - watcher.sentMs >= watchProgressMs;
        const hasStarted = watcher.startRevision <= this.context.replica.state.space.currentRevision;
        if (!watcher.wantsProgress || !watcher.isSynced || !isQuiet || !hasStarted || !this.isWritable()) continue;
        watcher.sentMs = clock.monotonicMs();
        this.#send({ watchID: watcher.id });
      }
      if (!this.#isClosed) this.#armProgress();
    });
  }

  #armLeaderCheck(): void {
    const { clock, replica } = this.context;
    const electionMs = replica.config.electionTicks * replica.config.heartbeatMs;
    this.#leaderCheck = clock.after(electionMs, () => {
      if (replica.leaderlessMs >= leaderlessElections * electionMs) {
        this.call.fail(new StoreError("NO_LEADER"));
        this.close();
      } else if (!this.#isClosed) this.#armLeaderCheck();
    });
  }

  #send(message: WatchMessage, revision = this.context.replica.state.space.currentRevision): void {
    if (!this.#isClosed) this.call.write(encodeWatch(message, this.context.header(revision)));
  }
}

/** Parts of at most `bytesMax`; all but the last say that more follows. */
function fragments(events: readonly Uint8Array[], bytesMax: number): { events: Uint8Array[]; fragment: boolean }[] {
  const parts: Uint8Array[][] = [[]];
  let bytes = 0;
  for (const event of events) {
    if (bytes + event.length > bytesMax && bytes > 0) {
      parts.push([]);
      bytes = 0;
    }
    (parts.at(-1) as Uint8Array[]).push(event);
    bytes += event.length;
  }
  return parts.map((part, position) => ({ events: part, fragment: position < parts.length - 1 }));
}
