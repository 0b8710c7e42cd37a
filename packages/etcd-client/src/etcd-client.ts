// What users of an etcd-compatible store see of it: one object, plain calls, watches as async iterables.
import type { Logger } from "@lenj/base";
import type { etcdserverpb, mvccpb } from "@lenj/proto/etcd";

/** A request with every field optional, nested messages and lists included. Missing fields get proto3's defaults. */
export type PartialRequest<T> = T extends Uint8Array | string | number | bigint | boolean | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly PartialRequest<Item>[]
    : T extends { readonly $case: string }
      ? { readonly $case: T["$case"]; readonly value: PartialRequest<ValueOf<T>> }
      : { readonly [K in keyof T]?: PartialRequest<T[K]> };
type ValueOf<T> = T extends { readonly value: infer V } ? V : never;

export interface EtcdTLS {
  /** PEM of the authorities that servers are checked against; the system's when absent. */
  readonly ca?: string | Buffer;
  /** PEM of the client certificate and its key. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** Name to expect in the server's certificate instead of the endpoint's host. */
  readonly serverName?: string;
}

export interface EtcdClientOptions {
  /** `http://host:port` or `https://host:port`; all of the same scheme. At least one. */
  readonly endpoints: readonly string[];
  readonly tls?: EtcdTLS;
  /** Interval of HTTP/2 pings in milliseconds while calls are open. Default 30,000. */
  readonly keepaliveMs?: number;
  /** Deadline of a unary call in milliseconds unless the call names its own. Default 10,000. */
  readonly callTimeoutMs?: number;
  readonly logger?: Logger;
}

export interface CallOptions {
  /** Aborting cancels the call; it then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface WatchOptions {
  readonly key: Uint8Array;
  /** End of the half-open interval; empty or absent for one key, one zero byte for everything from `key` on. */
  readonly rangeEnd?: Uint8Array;
  /** First revision wanted; 0 or absent for what comes next. */
  readonly startRevision?: number;
  readonly prevKv?: boolean;
  /** Asks the server for a progress notification whenever the watch was idle for its interval (10 min in etcd). */
  readonly progressNotify?: boolean;
  readonly fragment?: boolean;
  readonly filters?: readonly ("noPut" | "noDelete")[];
  /** Aborting ends the watch: the iterable then throws `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** What one message of a watch says. Messages of one watch arrive in revision order, without gap or duplicate. */
export interface WatchMessage {
  /** Store revision of the answering member. All events up to it were delivered, unless `fragment` is set. */
  readonly revision: number;
  /** The server has registered the watch; always the first message, sent again after every resume. */
  readonly created: boolean;
  /** A progress notification: no events, and none older than `revision` is outstanding. */
  readonly progress: boolean;
  /** More pieces of the same revision follow. */
  readonly fragment: boolean;
  readonly events: readonly mvccpb.Event[];
}

/**
 * A client of an etcd cluster. Calls go to one endpoint and move to the next when it fails. Reads are repeated on another
 * endpoint when nobody answered; writes only when the request surely was not sent. Every failure is an {@link EtcdError}
 * (or `signal.reason`). Works with etcd 3.4 and later.
 */
export interface EtcdClient {
  range(request: PartialRequest<etcdserverpb.RangeRequest>, options?: CallOptions): Promise<etcdserverpb.RangeResponse>;
  put(request: PartialRequest<etcdserverpb.PutRequest>, options?: CallOptions): Promise<etcdserverpb.PutResponse>;
  deleteRange(request: PartialRequest<etcdserverpb.DeleteRangeRequest>, options?: CallOptions): Promise<etcdserverpb.DeleteRangeResponse>;
  txn(request: PartialRequest<etcdserverpb.TxnRequest>, options?: CallOptions): Promise<etcdserverpb.TxnResponse>;
  compact(request: PartialRequest<etcdserverpb.CompactionRequest>, options?: CallOptions): Promise<etcdserverpb.CompactionResponse>;
  leaseGrant(request: PartialRequest<etcdserverpb.LeaseGrantRequest>, options?: CallOptions): Promise<etcdserverpb.LeaseGrantResponse>;
  leaseRevoke(request: PartialRequest<etcdserverpb.LeaseRevokeRequest>, options?: CallOptions): Promise<etcdserverpb.LeaseRevokeResponse>;
  /** Renews once. A response with TTL 0 means that the lease is gone. */
  leaseKeepAlive(
    request: PartialRequest<etcdserverpb.LeaseKeepAliveRequest>,
    options?: CallOptions,
  ): Promise<etcdserverpb.LeaseKeepAliveResponse>;
  leaseTimeToLive(
    request: PartialRequest<etcdserverpb.LeaseTimeToLiveRequest>,
    options?: CallOptions,
  ): Promise<etcdserverpb.LeaseTimeToLiveResponse>;
  /** Status of one member: the named endpoint, or whichever answers. */
  status(options?: CallOptions & { readonly endpoint?: string }): Promise<etcdserverpb.StatusResponse>;
  /** Asks the leader, which is whom this goes to (the named endpoint, or the preferred one), to hand over to another member. */
  moveLeader(
    request: PartialRequest<etcdserverpb.MoveLeaderRequest>,
    options?: CallOptions & { readonly endpoint?: string },
  ): Promise<etcdserverpb.MoveLeaderResponse>;
  memberList(request?: PartialRequest<etcdserverpb.MemberListRequest>, options?: CallOptions): Promise<etcdserverpb.MemberListResponse>;
  /**
   * Watches. All watches of a client share one stream and resume by themselves after a lost connection, at the revision
   * after the last one delivered. Throws COMPACTED (with `compactRevision`) when the wanted revision is gone, CANCELED
   * when the server ends it for another reason, CLOSED when the client is closed. Leaving the loop cancels the watch.
   * Unread messages are kept up to a bound; past it reading from the shared stream pauses until the consumer catches up.
   */
  watch(options: WatchOptions): AsyncIterable<WatchMessage>;
  /**
   * Asks the server where it is; answered as a progress message on every watch of this client once all are caught up.
   * The server drops the question while one is not: ask again. A no-op without watches.
   */
  requestProgress(): void;
  /** Ends all calls and watches with CLOSED. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
