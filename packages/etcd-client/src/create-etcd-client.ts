import { type Clock, delay, SystemClock, silentLogger } from "@lenj/base";
import { etcdserverpb } from "@lenj/proto/etcd";
import { callUnary, type RetryContext, type UnaryMethod } from "./call-retry.js";
import { ConnectionPool } from "./connection-pool.js";
import { EtcdError, isEtcdError } from "./errors.js";
import type { CallOptions, EtcdClient, EtcdClientOptions, PartialRequest, WatchMessage, WatchOptions } from "./etcd-client.js";
import { KeepAliveStream } from "./keep-alive-stream.js";
import { WatchStream } from "./watch-stream.js";

const defaultCallTimeoutMs = 10_000;
const renewRetryMs = 100;

/** Connects lazily: the first call dials. */
export function createEtcdClient(options: EtcdClientOptions): EtcdClient {
  const clock = new SystemClock();
  const pool = new ConnectionPool(options);
  const context: RetryContext = { pool, clock, defaultTimeoutMs: options.callTimeoutMs ?? defaultCallTimeoutMs };
  const watches = new WatchStream(pool, clock, options.logger ?? silentLogger);
  const keepAlives = new KeepAliveStream(pool);
  const kv = etcdserverpb.KVService;
  const lease = etcdserverpb.LeaseService;
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closed ??= Promise.resolve().then(() => {
      watches.close();
      keepAlives.close();
      pool.close();
    }));

  return {
    range: unary(context, "read", kv.range, etcdserverpb.RangeRequest),
    put: unary(context, "write", kv.put, etcdserverpb.PutRequest),
    deleteRange: unary(context, "write", kv.deleteRange, etcdserverpb.DeleteRangeRequest),
    txn: unary(context, "write", kv.txn, etcdserverpb.TxnRequest),
    compact: unary(context, "write", kv.compact, etcdserverpb.CompactionRequest),
    leaseGrant: unary(context, "write", lease.leaseGrant, etcdserverpb.LeaseGrantRequest),
    leaseRevoke: unary(context, "write", lease.leaseRevoke, etcdserverpb.LeaseRevokeRequest),
    leaseTimeToLive: unary(context, "read", lease.leaseTimeToLive, etcdserverpb.LeaseTimeToLiveRequest),
    leaseKeepAlive: (request, callOptions) =>
      renew(keepAlives, clock, request.ID ?? 0n, { timeoutMs: context.defaultTimeoutMs, ...callOptions }),
    status: (callOptions) => callUnary(context, etcdserverpb.MaintenanceService.status, {}, { ...callOptions, kind: "read" }),
    moveLeader: (request, callOptions) =>
      callUnary(
        context,
        etcdserverpb.MaintenanceService.moveLeader,
        { targetID: request.targetID ?? 0n },
        { ...callOptions, kind: "write" },
      ),
    memberList: (request = {}, callOptions) =>
      callUnary(
        context,
        etcdserverpb.ClusterService.memberList,
        { linearizable: request.linearizable ?? true },
        { ...callOptions, kind: "read" },
      ),
    watch: (watchOptions: WatchOptions): AsyncIterable<WatchMessage> => watches.watch(watchOptions),
    requestProgress: () => watches.requestProgress(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function unary<Request, Response>(
  context: RetryContext,
  kind: "read" | "write",
  method: UnaryMethod<Request, Response>,
  codec: { fromPartial(partial: never): Request },
): (request: PartialRequest<Request>, options?: CallOptions) => Promise<Response> {
  // Sorted-out types end here: PartialRequest is what fromPartial takes, with readonly allowed.
  return (request, options) => callUnary(context, method, codec.fromPartial(request as never), { ...options, kind });
}

async function renew(
  keepAlives: KeepAliveStream,
  clock: Clock,
  id: bigint,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<etcdserverpb.LeaseKeepAliveResponse> {
  const timeout = new AbortController();
  const timer = clock.after(options.timeoutMs, () => timeout.abort(new EtcdError("TIMEOUT", "lease renewal timed out")));
  const signal = options.signal === undefined ? timeout.signal : AbortSignal.any([options.signal, timeout.signal]);
  try {
    for (;;) {
      try {
        return await keepAlives.renew(id, signal);
      } catch (error) {
        if (!isEtcdError(error, "UNAVAILABLE")) throw error;
        await delay(clock, renewRetryMs, signal);
      }
    }
  } finally {
    timer.cancel();
  }
}
