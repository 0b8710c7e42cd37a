// All watches of a client on one gRPC stream.
//
// Owns:  the stream, the watches on it, their resume positions.
// Not:   which endpoint is preferred (connection-pool.ts).
// S1. The server answers creations in request order: the head of #creating belongs to the next `created` message.
// S2. A watch resumes after the last revision it delivered in full; of a revision delivered in part, the pieces already seen are dropped.
// S3. A full consumer queue pauses the whole stream: nothing is dropped, and the server re-syncs from its storage.
// S4. With `hasleader`, a member cut off from its quorum ends the stream instead of going silent.
// Source: clientv3/watch.go; etcd's watch rules.
import { type ClientDuplexStream, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { type Clock, invariant, type Logger, type Timer } from "@lenj/base";
import { etcdserverpb } from "@lenj/proto/etcd";
import { EventQueue } from "./async-events.js";
import { etcdErrorFromService } from "./call-retry.js";
import type { ConnectionPool, Endpoint } from "./connection-pool.js";
import { EtcdError } from "./errors.js";
import type { WatchMessage, WatchOptions } from "./etcd-client.js";

type Stream = ClientDuplexStream<etcdserverpb.WatchRequest, etcdserverpb.WatchResponse>;

const reconnectFirstMs = 50;
const reconnectMaxMs = 1_000;
/** Codes after which a watch is resumed elsewhere; any other ends it. */
const resumable: ReadonlySet<number> = new Set([status.UNAVAILABLE, status.INTERNAL, status.CANCELLED]);

interface Watch {
  readonly options: WatchOptions;
  readonly queue: EventQueue<WatchMessage>;
  /** Where a resume starts; 0 while "from now" has not been answered. */
  nextRevision: number;
  /** Events already delivered of `nextRevision`, and how many of them are still to be dropped after a resume. */
  deliveredOfNext: number;
  toDrop: number;
  watchID: number | undefined;
  closed: boolean;
}

export class WatchStream {
  readonly #watches = new Set<Watch>();
  readonly #byID = new Map<number, Watch>();
  #creating: Watch[] = [];
  #stream: { readonly call: Stream; readonly endpoint: Endpoint } | undefined;
  #reconnect: Timer | undefined;
  #failures = 0;
  #closed = false;

  constructor(
    private readonly pool: ConnectionPool,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async *watch(options: WatchOptions): AsyncGenerator<WatchMessage, void, undefined> {
    options.signal?.throwIfAborted();
    if (this.#closed) throw new EtcdError("CLOSED", "etcd client is closed");
    const watch: Watch = {
      options,
      queue: new EventQueue(() => this.#maybeResumeReading()),
      nextRevision: options.startRevision ?? 0,
      deliveredOfNext: 0,
      toDrop: 0,
      watchID: undefined,
      closed: false,
    };
    const onAbort = (): void => watch.queue.fail(options.signal?.reason);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    this.#watches.add(watch);
    this.#sendCreate(watch);
    try {
      for (;;) {
        const { done, value } = await watch.queue.next();
        if (options.signal?.aborted === true) throw options.signal.reason as Error;
        if (done === true) return;
        yield value;
      }
    } finally {
      options.signal?.removeEventListener("abort", onAbort);
      this.#remove(watch);
    }
  }

  requestProgress(): void {
    if (this.#byID.size > 0) this.#stream?.call.write({ requestUnion: { $case: "progressRequest", value: {} } });
  }

  close(): void {
    this.#closed = true;
    this.#reconnect?.cancel();
    for (const watch of this.#watches) watch.queue.fail(new EtcdError("CLOSED", "etcd client is closed"));
    this.#dropStream();
  }

  #sendCreate(watch: Watch): void {
    if (this.#stream === undefined) {
      if (this.#reconnect === undefined) this.#connect();
      return;
    }
    watch.watchID = undefined;
    watch.toDrop = watch.deliveredOfNext;
    const { options } = watch;
    this.#creating.push(watch);
    this.#stream.call.write({
      requestUnion: {
        $case: "createRequest",
        value: {
          key: Buffer.from(options.key),
          rangeEnd: Buffer.from(options.rangeEnd ?? []),
          startRevision: watch.nextRevision,
          progressNotify: options.progressNotify ?? false,
          filters: (options.filters ?? []).map((filter) => (filter === "noPut" ? 0 : 1)),
          prevKv: options.prevKv ?? false,
          watchId: 0,
          fragment: options.fragment ?? false,
        },
      },
    });
  }

  #connect(): void {
    this.#reconnect = undefined;
    const metadata = new Metadata();
    metadata.set("hasleader", "true");
    const endpoint = this.pool.preferred();
    const { path, requestSerialize, responseDeserialize } = etcdserverpb.WatchService.watch;
    const call = endpoint.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
    this.#stream = { call, endpoint };
    call.on("data", (response: etcdserverpb.WatchResponse) => {
      if (this.#stream?.call === call) this.#onResponse(response);
    });
    call.on("error", (error: ServiceError) => this.#onStreamEnd(call, error));
    call.on("end", () => this.#onStreamEnd(call, undefined));
    for (const watch of this.#watches) this.#sendCreate(watch);
  }

  #onStreamEnd(call: Stream, error: ServiceError | undefined): void {
    if (this.#stream?.call !== call) return;
    const { endpoint } = this.#stream;
    this.#stream = undefined;
    this.#creating = [];
    this.#byID.clear();
    if (this.#closed) return;
    if (error !== undefined && !resumable.has(error.code)) {
      const translated = etcdErrorFromService(error);
      for (const watch of this.#watches) watch.queue.fail(translated);
      return;
    }
    if (this.#watches.size === 0) return;
    this.pool.reportFailure(endpoint);
    const backoffMs =
      this.#failures < this.pool.size ? reconnectFirstMs : Math.min(reconnectMaxMs, reconnectFirstMs * 2 ** Math.min(10, this.#failures));
    this.#failures += 1;
    this.logger.debug("Watch stream ended", { endpoint: endpoint.url, reason: error?.details ?? "end of stream", backoffMs });
    this.#reconnect = this.clock.after(backoffMs, () => this.#connect());
  }

  #onResponse(response: etcdserverpb.WatchResponse): void {
    this.#failures = 0;
    if (response.created) {
      this.#onCreated(response);
      return;
    }
    if (response.watchId < 0) {
      for (const watch of this.#byID.values()) this.#deliver(watch, response);
      return;
    }
    const watch = this.#byID.get(response.watchId);
    if (watch === undefined) return;
    if (response.canceled) this.#onCanceled(watch, response);
    else this.#deliver(watch, response);
  }

  #onCreated(response: etcdserverpb.WatchResponse): void {
    const watch = this.#creating.shift();
    invariant(watch !== undefined, () => "a watch was created that nobody asked for");
    if (response.canceled) {
      this.#onCanceled(watch, response);
      return;
    }
    if (watch.closed) {
      this.#sendCancel(response.watchId);
      return;
    }
    watch.watchID = response.watchId;
    this.#byID.set(response.watchId, watch);
    const revision = response.header?.revision ?? 0;
    if (watch.nextRevision === 0) watch.nextRevision = revision + 1;
    watch.queue.push({ revision, created: true, progress: false, fragment: false, events: [] });
  }

  #onCanceled(watch: Watch, response: etcdserverpb.WatchResponse): void {
    if (watch.watchID !== undefined) this.#byID.delete(watch.watchID);
    this.#watches.delete(watch);
    const { compactRevision, cancelReason } = response;
    if (compactRevision !== 0) {
      watch.queue.fail(new EtcdError("COMPACTED", "etcdserver: mvcc: required revision has been compacted", { compactRevision }));
    } else if (cancelReason === "etcdserver: mvcc: required revision has been compacted") {
      watch.queue.fail(new EtcdError("COMPACTED", cancelReason));
    } else if (cancelReason !== "") {
      watch.queue.fail(new EtcdError("CANCELED", cancelReason));
    } else {
      watch.queue.fail(new EtcdError("FUTURE_REVISION", "etcdserver: mvcc: required revision is a future revision"));
    }
  }

  #deliver(watch: Watch, response: etcdserverpb.WatchResponse): void {
    const revision = response.header?.revision ?? 0;
    let { events } = response;
    if (events.length === 0) {
      watch.nextRevision = Math.max(watch.nextRevision, revision + 1);
      watch.deliveredOfNext = 0;
      watch.queue.push({ revision, created: false, progress: true, fragment: false, events });
      return;
    }
    if (watch.toDrop > 0) {
      const seen = Math.min(watch.toDrop, events.filter((event) => event.kv?.modRevision === watch.nextRevision).length);
      events = events.slice(seen);
      watch.toDrop -= seen;
    }
    const lastRevision = response.events.at(-1)?.kv?.modRevision ?? revision;
    if (response.fragment) {
      const ofLast = response.events.filter((event) => event.kv?.modRevision === lastRevision).length;
      watch.deliveredOfNext = (lastRevision === watch.nextRevision ? watch.deliveredOfNext : 0) + ofLast;
      watch.nextRevision = lastRevision;
    } else {
      watch.nextRevision = lastRevision + 1;
      watch.deliveredOfNext = 0;
      watch.toDrop = 0;
    }
    watch.queue.push({ revision, created: false, progress: false, fragment: response.fragment, events });
    if (watch.queue.isFull) this.#stream?.call.pause();
  }

  #maybeResumeReading(): void {
    if (![...this.#watches].some((watch) => watch.queue.isFull)) this.#stream?.call.resume();
  }

  #remove(watch: Watch): void {
    watch.closed = true;
    this.#watches.delete(watch);
    if (watch.watchID !== undefined && this.#byID.delete(watch.watchID)) this.#sendCancel(watch.watchID);
    this.#maybeResumeReading();
    if (this.#watches.size === 0) {
      this.#reconnect?.cancel();
      this.#reconnect = undefined;
      this.#dropStream();
    }
  }

  #sendCancel(watchID: number): void {
    this.#stream?.call.write({ requestUnion: { $case: "cancelRequest", value: { watchId: watchID } } });
  }

  #dropStream(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#creating = [];
    this.#byID.clear();
    stream?.call.cancel();
  }
}
