// What locks and elections share: clients queue by creating a key each under a prefix; the oldest is at the head.
//
// Q1. A client's place is the create revision of its key, which lives as long as the client's lease.
// Q2. At the head is who sees no older key under the prefix *and still has its own*: the lease may have run out while it waited
//     (etcd issue 11456).
// Source: etcd client/v3/concurrency (key.go, mutex.go, election.go).
import { decodeKeyValue, type KeyValue, keyFromBytes } from "@lenj/mvcc";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcCall } from "@lenj/rpc-server";
import type { RangeAnswer, TxnAnswer } from "../core/answers.js";
import { relayedError } from "../core/errors.js";
import type { ServiceContext } from "./context.js";
import { keyEvents } from "./key-events.js";
import type { KVOperations } from "./kv-operations.js";
import { grantLease } from "./lease-service.js";

/** Of a lease that is made for a client which brings none, in seconds. Upstream: defaultSessionTTL. */
const sessionTTLSeconds = 60;
const { RangeRequest_SortOrder: SortOrder, RangeRequest_SortTarget: SortTarget } = etcdserverpb;

/** A client's place. */
export interface Place {
  readonly key: Buffer;
  readonly createRevision: number;
  readonly lease: bigint;
  /** Of the key as it is stored. */
  readonly value: Buffer;
  /** Revision of the answer that says so. */
  readonly revision: number;
}

export class KeyQueue {
  constructor(
    private readonly context: ServiceContext,
    readonly kv: KVOperations,
    readonly call: RpcCall,
  ) {}

  /** Takes a place, or finds the one that this lease has already. A lease of 0 is replaced by a new one. */
  async enter(prefix: Buffer, options: { readonly lease: bigint; readonly value: Buffer }): Promise<Place> {
    const lease = await this.leaseOf(options.lease);
    const key = Buffer.concat([prefix, Buffer.from(lease.toString(16))]);
    const put = etcdserverpb.PutRequest.fromPartial({ key, value: options.value, lease });
    const answer = await this.kv.txn(
      {
        compare: [createRevisionIs(key, 0)],
        success: [{ request: { $case: "requestPut", value: put } }],
        failure: [{ request: { $case: "requestRange", value: etcdserverpb.RangeRequest.fromPartial({ key }) } }],
      },
      this.call,
    );
    const { revision } = answer;
    if (answer.succeeded) return { key, lease, value: options.value, createRevision: revision, revision };
    const found = decodeKeyValue((answer.responses[0] as RangeAnswer).values[0] as Uint8Array);
    return { key, lease, value: Buffer.from(found.value), createRevision: found.createRevision, revision };
  }

  /** Resolves, with the revision at which that was seen, when the place is at the head; undefined when it is lost. */
  async waitForHead(prefix: Buffer, place: Place): Promise<number | undefined> {
    for (;;) {
      const { key, revision } = await this.#newestBefore(prefix, place.createRevision);
      if (key === undefined) break;
      await this.#waitForDeletion(key, revision);
    }
    const own = await this.kv.range(etcdserverpb.RangeRequest.fromPartial({ key: place.key }), this.call);
    const kv = own.values[0];
    return kv !== undefined && decodeKeyValue(kv).createRevision === place.createRevision ? own.revision : undefined;
  }

  /** Gives the place up. Also after the call was canceled: whoever waits behind must not wait for a lease to run out. */
  async leave(place: Pick<Place, "key" | "createRevision">): Promise<TxnAnswer> {
    const value = { key: place.key, rangeEnd: Buffer.alloc(0), prevKv: false };
    return this.kv.txn(
      {
        compare: [createRevisionIs(place.key, place.createRevision)],
        success: [{ request: { $case: "requestDeleteRange", value } }],
        failure: [],
      },
      this.call,
    );
  }

  /** As leave(), when something else has failed and is what the client is told. */
  async abandon(place: Place): Promise<void> {
    await this.leave(place).catch(() => {}); // Its lease will end it.
  }

  /** The oldest key under the prefix. */
  async head(prefix: Buffer): Promise<{ readonly kv: KeyValue | undefined; readonly revision: number }> {
    const answer = await this.kv.range(byAge(prefix, SortOrder.ASCEND, 0), this.call);
    const found = answer.values[0];
    return { kv: found === undefined ? undefined : decodeKeyValue(found), revision: answer.revision };
  }

  async leaseOf(lease: bigint): Promise<bigint> {
    return lease === 0n ? (await grantLease(this.context, { ID: 0n, TTL: sessionTTLSeconds }, this.call)).id : lease;
  }

  async #newestBefore(prefix: Buffer, createRevision: number): Promise<{ key: Uint8Array | undefined; revision: number }> {
    const answer = await this.kv.range(byAge(prefix, SortOrder.DESCEND, createRevision - 1), this.call);
    const found = answer.values[0];
    return { key: found === undefined ? undefined : decodeKeyValue(found).key, revision: answer.revision };
  }

  async #waitForDeletion(key: Uint8Array, fromRevision: number): Promise<void> {
    const range = { start: keyFromBytes(key), end: undefined };
    for await (const { events } of keyEvents(this.context, { range, startRevision: fromRevision, signal: this.call.signal }))
      if (events.some(({ type }) => type === "delete")) return;
  }
}

export function createRevisionIs(key: Buffer, revision: number): etcdserverpb.Compare {
  return etcdserverpb.Compare.fromPartial({
    key,
    target: etcdserverpb.Compare_CompareTarget.CREATE,
    targetUnion: { $case: "createRevision", value: BigInt(revision) },
  });
}

/** The first key under a prefix when sorted by create revision; of those created up to a revision (0: all). */
function byAge(prefix: Buffer, sortOrder: etcdserverpb.RangeRequest_SortOrder, maxCreateRevision: number): etcdserverpb.RangeRequest {
  return etcdserverpb.RangeRequest.fromPartial({
    ...{ key: prefix, rangeEnd: prefixEnd(prefix), limit: 1, sortOrder, sortTarget: SortTarget.CREATE, maxCreateRevision },
  });
}

/** The prefixes here end in a slash, so that the next byte always exists. */
export function prefixEnd(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) as number) + 1;
  return end;
}

export function prefixOf(name: Buffer): Buffer {
  return Buffer.concat([name, Buffer.from("/")]);
}

type UnaryHandler = (request: never, call: RpcCall) => Promise<unknown>;

/** The same methods, failing as etcd's do here: see {@link relayedError}. */
export function relaying<Handlers extends Record<string, UnaryHandler>>(handlers: Handlers): Handlers {
  const relay = (handler: UnaryHandler): UnaryHandler => {
    return (request, call) => handler(request, call).catch((error: unknown) => Promise.reject(relayedError(error)));
  };
  return Object.fromEntries(Object.entries(handlers).map(([name, handler]) => [name, relay(handler)])) as Handlers;
}
