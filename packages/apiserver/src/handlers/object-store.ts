// Reads and writes the objects of one stored resource: encoding, conditional writes with retry, reads from the cache.
//
// Owns:  the way from an object to its record and back, and the retry of writes that lost a race.
// Not:   rules of the resource (see create.ts, update.ts, delete.ts), filling the cache (see drivers/store-feed.ts).
// O1. A write is based on one state and succeeds only if that state is still stored.
// O2. A refusal that was decided on cached state is decided again on stored state before anyone hears of it.
// O3. A write that changes nothing is not sent to the store.
// Source: k8s.io/apiserver pkg/storage/etcd3/store.go GuaranteedUpdate.
import {
  type KubernetesObject,
  metadataOf,
  newAlreadyExists,
  newNotFound,
  newRequestEntityTooLarge,
  type StatusError,
  semanticEqual,
} from "@lenj/apimachinery";
import { CachedObject } from "../core/cached-object.js";
import type { StoredResource } from "../core/catalog.js";
import type { ObjectCodec } from "../core/codec.js";
import { isStorageError, type ListPage, type ObjectStorage, StorageError, type StoredRecord } from "../core/storage.js";
import type { WatchCache } from "../core/watch-cache.js";

export interface ObjectStoreOptions {
  readonly stored: StoredResource;
  readonly storage: ObjectStorage;
  readonly codec: ObjectCodec;
  readonly cache: WatchCache;
  /** Ends with a slash: "/registry/". */
  readonly keyRoot: string;
}

/** What becomes of an object: it is left as it is, replaced, or taken away (leaving `remove` as its last state). */
export type Change = { readonly keep: true } | { readonly write: KubernetesObject } | { readonly remove: KubernetesObject };

/** Decides from the present state. Throwing ends the write. May run several times, each time on a newer state. */
export type Mutation = (current: CachedObject) => Change | Promise<Change>;

export interface ChangeResult {
  readonly state: CachedObject;
  readonly change: "kept" | "written" | "removed";
}

export class ObjectStore {
  readonly stored: StoredResource;
  readonly cache: WatchCache;
  readonly storage: ObjectStorage;
  /** `/registry/<prefix>/`. */
  readonly keyPrefix: string;
  readonly #codec: ObjectCodec;

  constructor(options: ObjectStoreOptions) {
    this.stored = options.stored;
    this.cache = options.cache;
    this.storage = options.storage;
    this.#codec = options.codec;
    this.keyPrefix = `${options.keyRoot}${options.stored.placement.prefix}/`;
  }

  get groupResource(): { group: string; resource: string } {
    const { declaration } = this.stored;
    return { group: declaration.gvk.group, resource: declaration.plural };
  }

  keyOf(namespace: string, name: string): string {
    return this.stored.scope === "Namespaced" ? `${namespace}/${name}` : name;
  }

  /** The present state as the store has it (linearizable). */
  async get(key: string, signal?: AbortSignal): Promise<CachedObject | undefined> {
    const { record } = await this.storage.get(this.keyPrefix + key, { signal });
    return record === undefined ? undefined : this.decode(record);
  }

  /** A page of the store's keys, decoded; keys are below the resource's prefix. */
  async listAt(
    range: { keyPrefix: string; startKey?: string | undefined; limit?: number | undefined; revision?: number | undefined },
    signal?: AbortSignal,
  ): Promise<Omit<ListPage, "records"> & { states: CachedObject[] }> {
    const page = await this.storage.list(
      {
        prefix: this.keyPrefix + range.keyPrefix,
        startKey: range.startKey === undefined ? undefined : this.keyPrefix + range.startKey,
        limit: range.limit,
        revision: range.revision,
      },
      { signal },
    );
    return { revision: page.revision, more: page.more, count: page.count, states: page.records.map((record) => this.decode(record)) };
  }

  /** Throws StatusError AlreadyExists. The object's resourceVersion is set to that of the write. */
  async create(key: string, object: KubernetesObject, signal?: AbortSignal): Promise<CachedObject> {
    const { placement } = this.stored;
    const outcome = await this.#refusingTooLarge(() =>
      this.storage.create(this.keyPrefix + key, this.#encode(object), { signal, ttlSeconds: placement.ttlSeconds }),
    );
    if (!outcome.done) throw newAlreadyExists(this.groupResource, metadataOf(object).name ?? "");
    return stamp(key, object, outcome.revision);
  }

  /** Changes an object by what `mutate` decides. Throws NotFound, or what `mutate` throws. */
  async update(key: string, mutate: Mutation, signal?: AbortSignal): Promise<ChangeResult> {
    return this.#guarded(key, signal, async (current) => {
      const change = await mutate(current);
      if ("remove" in change) {
        const outcome = await this.storage.delete(this.keyPrefix + key, current.revision, { signal });
        if (!outcome.done) return { lost: outcome.current };
        return {
          done: {
            state: stamp(key, change.remove === current.object ? copyShell(current.object) : change.remove, outcome.revision),
            change: "removed",
          },
        };
      }
      if ("keep" in change || isUnchanged(change.write, current.object)) return { done: { state: current, change: "kept" } };
      const { placement } = this.stored;
      const value = this.#encode(change.write);
      const outcome = await this.#refusingTooLarge(() =>
        this.storage.replace(this.keyPrefix + key, value, current.revision, { signal, ttlSeconds: placement.ttlSeconds }),
      );
      return outcome.done ? { done: { state: stamp(key, change.write, outcome.revision), change: "written" } } : { lost: outcome.current };
    });
  }

  decode(record: StoredRecord): CachedObject {
    const key = record.key.slice(this.keyPrefix.length);
    const known = this.cache.get(key);
    if (known?.revision === record.revision) return known;
    return decodeRecord(this.stored, this.#codec, key, record);
  }

  async #guarded(
    key: string,
    signal: AbortSignal | undefined,
    attempt: (current: CachedObject) => Promise<{ done: ChangeResult } | { lost: StoredRecord | undefined }>,
  ): Promise<ChangeResult> {
    let current = this.cache.get(key);
    let isFresh = false;
    const refresh = async (): Promise<CachedObject> => {
      isFresh = true;
      const stored = await this.get(key, signal);
      if (stored === undefined) throw this.#notFound(key);
      return stored;
    };
    current ??= await refresh();
    for (;;) {
      signal?.throwIfAborted();
      let result: Awaited<ReturnType<typeof attempt>>;
      try {
        result = await attempt(current);
      } catch (error) {
        if (isFresh || isStorageError(error)) throw error;
        const seen = current.revision;
        current = await refresh();
        if (current.revision === seen) throw error;
        continue;
      }
      if ("done" in result) {
        if (result.done.change !== "kept" || isFresh) return result.done;
        const seen = current.revision;
        current = await refresh();
        if (current.revision === seen) return result.done;
        continue;
      }
      if (result.lost === undefined) throw this.#notFound(key);
      current = this.decode(result.lost);
      isFresh = true;
    }
  }

  #notFound(key: string): StatusError {
    return newNotFound(this.groupResource, key.slice(key.lastIndexOf("/") + 1));
  }

  #encode(object: KubernetesObject): Uint8Array {
    return this.#codec.encodeStored(object, this.stored.placement.gvk);
  }

  async #refusingTooLarge<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (error instanceof StorageError && error.code === "TOO_LARGE") throw newRequestEntityTooLarge(error.message);
      throw error;
    }
  }
}

/** Reads a record into the form that caches hold: normal, defaulted, with its resourceVersion. */
export function decodeRecord(
  stored: StoredResource,
  codec: ObjectCodec,
  key: string,
  record: Pick<StoredRecord, "value" | "revision">,
): CachedObject {
  const object = codec.decodeStored(record.value);
  stored.declaration.defaults(object);
  return stamp(key, object, record.revision);
}

/** `object` becomes the cached one: its resourceVersion is set and it must not change any more. */
function stamp(key: string, object: KubernetesObject, revision: number): CachedObject {
  metadataOf(object).resourceVersion = String(revision);
  return new CachedObject(key, revision, object);
}

function copyShell(object: KubernetesObject): KubernetesObject {
  return { ...object, metadata: { ...object.metadata } };
}

function isUnchanged(next: KubernetesObject, current: KubernetesObject): boolean {
  const { metadata: nextMeta, ...nextRest } = next;
  const { metadata: currentMeta, ...currentRest } = current;
  if (!semanticEqual(nextRest, currentRest)) return false;
  const { resourceVersion: _next, ...nextOther } = nextMeta ?? {};
  const { resourceVersion: _current, ...currentOther } = currentMeta ?? {};
  return semanticEqual(nextOther, currentOther);
}
