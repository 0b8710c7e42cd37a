// Objects to read, without a store: for tests of what only reads. Cache and store hold the same unless a test says otherwise.
import type { GroupResource, KubeObject, ObjectReader } from "../auth/ports.js";

type Observer = (before: KubeObject | undefined, after: KubeObject | undefined) => void;

export class MemoryReader implements ObjectReader {
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #observers = new Map<string, Set<Observer>>();
  readonly #onlyStored = new Map<string, KubeObject>();

  /** Adds or replaces. */
  put(resource: GroupResource, ...objects: readonly KubeObject[]): void {
    for (const object of objects) {
      const known = this.#of(resource);
      const key = keyOf(object.metadata?.namespace, object.metadata?.name);
      const before = known.get(key);
      known.set(key, object);
      this.#tell(resource, before, object);
    }
  }

  remove(resource: GroupResource, namespace: string | undefined, name: string): void {
    const before = this.#of(resource).get(keyOf(namespace, name));
    this.#of(resource).delete(keyOf(namespace, name));
    if (before !== undefined) this.#tell(resource, before, undefined);
  }

  /** The store has it; the cache has not heard of it yet. */
  putStoredOnly(resource: GroupResource, object: KubeObject): void {
    this.#onlyStored.set(`${textOf(resource)} ${keyOf(object.metadata?.namespace, object.metadata?.name)}`, object);
  }

  get<T extends KubeObject>(resource: GroupResource, namespace: string | undefined, name: string): T | undefined {
    return this.#of(resource).get(keyOf(namespace, name)) as T | undefined;
  }

  list<T extends KubeObject>(resource: GroupResource, namespace?: string): readonly T[] {
    const all = [...this.#of(resource).values()];
    return all.filter((object) => namespace === undefined || object.metadata?.namespace === namespace) as T[];
  }

  getFresh<T extends KubeObject>(resource: GroupResource, namespace: string | undefined, name: string): Promise<T | undefined> {
    const stored = this.#onlyStored.get(`${textOf(resource)} ${keyOf(namespace, name)}`);
    return Promise.resolve((stored as T | undefined) ?? this.get<T>(resource, namespace, name));
  }

  observe<T extends KubeObject>(resource: GroupResource, onChange: (before: T | undefined, after: T | undefined) => void): () => void {
    const observers = this.#observers.get(textOf(resource)) ?? new Set();
    this.#observers.set(textOf(resource), observers.add(onChange as Observer));
    for (const object of this.#of(resource).values()) onChange(undefined, object as T);
    return () => observers.delete(onChange as Observer);
  }

  #of(resource: GroupResource): Map<string, KubeObject> {
    const known = this.#objects.get(textOf(resource)) ?? new Map<string, KubeObject>();
    this.#objects.set(textOf(resource), known);
    return known;
  }

  #tell(resource: GroupResource, before: KubeObject | undefined, after: KubeObject | undefined): void {
    for (const observer of this.#observers.get(textOf(resource)) ?? []) observer(before, after);
  }
}

function textOf({ group, resource }: GroupResource): string {
  return `${group}/${resource}`;
}

function keyOf(namespace: string | undefined, name: string | undefined): string {
  return `${namespace ?? ""}/${name ?? ""}`;
}
