// The objects an informer knows, by name and by index.
//
// O1. An object is in an index bucket exactly for the values its index function gives for it as stored.
// O2. Objects are replaced, never changed: a reader may keep one as long as it likes, and must not write to it.
import type { KubeObject } from "../api-client.js";
import { objectName } from "../resources.js";

/** The values under which an object is found; none: it is in no bucket. */
export type IndexFunction<T> = (object: T) => readonly string[];

/** Read side of a cache. Everything returned is shared: callers must not change it. */
export interface Lister<T extends KubeObject> {
  get(namespace: string | undefined, name: string): T | undefined;
  /** By "namespace/name", or "name" for cluster-scoped objects. */
  getByKey(key: string): T | undefined;
  /** Of one namespace, or of all. In no particular order. */
  list(namespace?: string): readonly T[];
  /** Throws for an index that was never added. */
  byIndex(index: string, value: string): readonly T[];
}

const NAMESPACE_INDEX = "namespace";

export class ObjectStore<T extends KubeObject> implements Lister<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, { readonly valuesOf: IndexFunction<T>; readonly buckets: Map<string, Map<string, T>> }>();

  constructor() {
    this.addIndex(NAMESPACE_INDEX, (object) => (object.metadata?.namespace === undefined ? [] : [object.metadata.namespace]));
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Adding the same name again is a no-op, so that several users may ask for a shared index. */
  addIndex(name: string, valuesOf: IndexFunction<T>): void {
    if (this.#indexes.has(name)) return;
    const index = { valuesOf, buckets: new Map<string, Map<string, T>>() };
    this.#indexes.set(name, index);
    for (const [key, object] of this.#objects) enter(index.buckets, valuesOf(object), key, object);
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#objects.get(namespace === undefined || namespace === "" ? name : `${namespace}/${name}`);
  }

  getByKey(key: string): T | undefined {
    return this.#objects.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  list(namespace?: string): readonly T[] {
    return namespace === undefined ? [...this.#objects.values()] : this.byIndex(NAMESPACE_INDEX, namespace);
  }

  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`Index with name ${name} does not exist`);
    return [...(index.buckets.get(value)?.values() ?? [])];
  }

  /** The object that was there before. */
  put(object: T): T | undefined {
    const key = objectName(object);
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    for (const { valuesOf, buckets } of this.#indexes.values()) {
      if (previous !== undefined) leave(buckets, valuesOf(previous), key);
      enter(buckets, valuesOf(object), key, object);
    }
    return previous;
  }

  /** The object that was there. */
  remove(key: string): T | undefined {
    const previous = this.#objects.get(key);
    if (previous === undefined) return undefined;
    this.#objects.delete(key);
    for (const { valuesOf, buckets } of this.#indexes.values()) leave(buckets, valuesOf(previous), key);
    return previous;
  }
}

function enter<T>(buckets: Map<string, Map<string, T>>, values: readonly string[], key: string, object: T): void {
  for (const value of values) {
    const bucket = buckets.get(value);
    if (bucket === undefined) buckets.set(value, new Map([[key, object]]));
    else bucket.set(key, object);
  }
}

function leave<T>(buckets: Map<string, Map<string, T>>, values: readonly string[], key: string): void {
  for (const value of values) {
    const bucket = buckets.get(value);
    bucket?.delete(key);
    if (bucket?.size === 0) buckets.delete(value);
  }
}
