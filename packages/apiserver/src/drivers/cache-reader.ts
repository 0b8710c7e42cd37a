// The read side that authorization, admission and bootstrap get: objects from the caches.
import type { KubernetesObject } from "@lenj/apimachinery";
import type { GroupResource, KubeObject, ObjectReader } from "../auth/ports.js";
import type { ResourceCatalog } from "../core/catalog.js";
import type { ObjectStore } from "../handlers/object-store.js";

export class CacheReader implements ObjectReader {
  readonly #catalog: ResourceCatalog;
  readonly #stores: ReadonlyMap<string, ObjectStore>;

  constructor(catalog: ResourceCatalog, stores: ReadonlyMap<string, ObjectStore>) {
    this.#catalog = catalog;
    this.#stores = stores;
  }

  get<T extends KubeObject>(resource: GroupResource, namespace: string | undefined, name: string): T | undefined {
    const store = this.#storeOf(resource);
    return store?.cache.get(store.keyOf(namespace ?? "", name))?.object as T | undefined;
  }

  list<T extends KubeObject>(resource: GroupResource, namespace?: string): readonly T[] {
    const store = this.#storeOf(resource);
    const keyPrefix = namespace === undefined ? "" : `${namespace}/`;
    return (store?.cache.list({ keyPrefix, exactKey: undefined, matches: undefined }) ?? []).map(
      (state) => state.object as KubernetesObject as T,
    );
  }

  async getFresh<T extends KubeObject>(
    resource: GroupResource,
    namespace: string | undefined,
    name: string,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    const store = this.#storeOf(resource);
    return (await store?.get(store.keyOf(namespace ?? "", name), signal))?.object as T | undefined;
  }

  observe<T extends KubeObject>(resource: GroupResource, onChange: (before: T | undefined, after: T | undefined) => void): () => void {
    const store = this.#storeOf(resource);
    if (store === undefined) return () => {};
    return store.cache.observe((before, after) => onChange(before?.object as T | undefined, after?.object as T | undefined));
  }

  #storeOf(resource: GroupResource): ObjectStore | undefined {
    const declaration = this.#catalog.preferred(resource.group, resource.resource);
    return declaration?.storage === undefined ? undefined : this.#stores.get(declaration.storage.prefix);
  }
}
