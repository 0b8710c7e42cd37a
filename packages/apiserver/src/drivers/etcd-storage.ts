// The storage port on an etcd v3 store. Only the few shapes of request that kube-apiserver sends are used.
//
// Owns:  translation between the port and etcd's messages, the leases of keys that expire.
// Not:   the client's connections (closed by who made it).
// Source: k8s.io/apiserver pkg/storage/etcd3.
import type { Clock } from "@lenj/base";
import { type EtcdClient, EtcdError, prefixEnd } from "@lenj/etcd-client";
import type { etcdserverpb, mvccpb } from "@lenj/proto/etcd";
import {
  type ListPage,
  type ListRange,
  type ObjectStorage,
  type StorageCallOptions,
  type StorageChange,
  StorageError,
  type StorageMessage,
  type StoredRecord,
  type WriteOutcome,
} from "../core/storage.js";

/** One lease serves the keys of this window: a lease a key would drown the store. Source: etcd3 lease_manager.go. */
const leaseReuseMs = 60_000;
const leaseReuseCountMax = 1_000;

type Operation = NonNullable<Parameters<EtcdClient["txn"]>[0]["success"]>[number];

export class EtcdStorage implements ObjectStorage {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #leases = new Map<number, { id: bigint; untilMs: number; uses: number }>();

  constructor(client: EtcdClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  async get(key: string, options: StorageCallOptions = {}): Promise<{ record: StoredRecord | undefined; revision: number }> {
    const response = await this.#call(() => this.#client.range({ key: Buffer.from(key) }, callOptions(options)));
    const pair = response.kvs[0];
    return { record: pair === undefined ? undefined : recordOf(pair), revision: response.header?.revision ?? 0 };
  }

  async list(range: ListRange, options: StorageCallOptions = {}): Promise<ListPage> {
    const response = await this.#call(() =>
      this.#client.range(
        {
          key: Buffer.from(range.startKey ?? range.prefix),
          rangeEnd: prefixEnd(Buffer.from(range.prefix)),
          limit: range.limit ?? 0,
          revision: range.revision ?? 0,
        },
        { ...callOptions(options), timeoutMs: 60_000 },
      ),
    );
    return {
      records: response.kvs.map(recordOf),
      revision: range.revision ?? response.header?.revision ?? 0,
      more: response.more,
      count: response.count,
    };
  }

  create(key: string, value: Uint8Array, options: StorageCallOptions & { ttlSeconds?: number | undefined } = {}): Promise<WriteOutcome> {
    return this.replace(key, value, 0, options);
  }

  async replace(
    key: string,
    value: Uint8Array,
    expectedRevision: number,
    options: StorageCallOptions & { ttlSeconds?: number | undefined } = {},
  ): Promise<WriteOutcome> {
    const lease = options.ttlSeconds === undefined ? 0n : await this.#leaseFor(options.ttlSeconds);
    return this.#write(
      key,
      expectedRevision,
      { request: { $case: "requestPut", value: { key: Buffer.from(key), value, lease } } } as Operation,
      options,
    );
  }

  delete(key: string, expectedRevision: number, options: StorageCallOptions = {}): Promise<WriteOutcome> {
    return this.#write(
      key,
      expectedRevision,
      { request: { $case: "requestDeleteRange", value: { key: Buffer.from(key) } } } as Operation,
      options,
    );
  }

  async currentRevision(options: StorageCallOptions = {}): Promise<number> {
    // Any linearizable read tells; a key that does not exist is the cheapest.
    const response = await this.#call(() => this.#client.range({ key: Buffer.from("\u0000"), countOnly: true }, callOptions(options)));
    return response.header?.revision ?? 0;
  }

  async *watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncIterable<StorageMessage> {
    const key = Buffer.from(prefix);
    try {
      for await (const message of this.#client.watch({
        key,
        rangeEnd: prefixEnd(key),
        startRevision: afterRevision + 1,
        progressNotify: true,
        signal,
      })) {
        if (message.progress) {
          yield { revision: message.revision, changes: [] };
          continue;
        }
        if (message.events.length === 0) continue;
        const changes = message.events.map(changeOf);
        // The header may be ahead of events still to come, so the last event counts.
        yield { revision: changes.at(-1)?.revision ?? 0, changes };
      }
    } catch (error) {
      throw translate(error);
    }
  }

  requestProgress(): void {
    this.#client.requestProgress();
  }

  async #write(key: string, expectedRevision: number, operation: Operation, options: StorageCallOptions): Promise<WriteOutcome> {
    const keyBytes = Buffer.from(key);
    const response = await this.#call(() =>
      this.#client.txn(
        {
          compare: [
            {
              result: compareEqual,
              target: compareMod,
              key: keyBytes,
              targetUnion: { $case: "modRevision", value: BigInt(expectedRevision) },
            },
          ],
          success: [operation],
          failure: [{ request: { $case: "requestRange", value: { key: keyBytes } } } as Operation],
        },
        callOptions(options),
      ),
    );
    if (response.succeeded) return { done: true, revision: response.header?.revision ?? 0 };
    const pair = rangeOf(response)?.kvs[0];
    return { done: false, current: pair === undefined ? undefined : recordOf(pair) };
  }

  async #leaseFor(ttlSeconds: number): Promise<bigint> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#leases.get(ttlSeconds);
    if (known !== undefined && known.untilMs > nowMs && known.uses < leaseReuseCountMax) {
      known.uses += 1;
      return known.id;
    }
    // What lives shorter than the window must not live longer for being grouped.
    const isShort = ttlSeconds * 1_000 <= leaseReuseMs;
    const granted = await this.#call(() => this.#client.leaseGrant({ TTL: isShort ? ttlSeconds : ttlSeconds + leaseReuseMs / 1_000 }));
    if (isShort) return granted.ID;
    this.#leases.set(ttlSeconds, { id: granted.ID, untilMs: nowMs + leaseReuseMs, uses: 1 });
    return granted.ID;
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw translate(error);
    }
  }
}

const compareEqual = 0 as etcdserverpb.Compare_CompareResult;
const compareMod = 2 as etcdserverpb.Compare_CompareTarget;

function callOptions(options: StorageCallOptions): { signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}

function recordOf(pair: mvccpb.KeyValue): StoredRecord {
  return { key: Buffer.from(pair.key).toString("utf8"), value: pair.value, revision: pair.modRevision };
}

function changeOf(event: mvccpb.Event): StorageChange {
  const pair = event.kv as mvccpb.KeyValue;
  return {
    type: Number(event.type) === 1 ? "delete" : "put",
    key: Buffer.from(pair.key).toString("utf8"),
    value: pair.value,
    revision: pair.modRevision,
  };
}

function rangeOf(response: etcdserverpb.TxnResponse): etcdserverpb.RangeResponse | undefined {
  const first = response.responses[0]?.response;
  return first?.$case === "responseRange" ? first.value : undefined;
}

function translate(error: unknown): unknown {
  if (!(error instanceof EtcdError)) return error;
  switch (error.code) {
    case "COMPACTED":
      return new StorageError("COMPACTED", error.message, { cause: error });
    case "FUTURE_REVISION":
      return new StorageError("FUTURE_REVISION", error.message, { cause: error });
    case "INVALID_ARGUMENT":
      return error.message.includes("too large") ? new StorageError("TOO_LARGE", error.message, { cause: error }) : error;
    case "UNAVAILABLE":
    case "TIMEOUT":
    case "NO_SPACE":
    case "TOO_MANY_REQUESTS":
      return new StorageError("UNAVAILABLE", error.message, { cause: error });
    default:
      return error;
  }
}
