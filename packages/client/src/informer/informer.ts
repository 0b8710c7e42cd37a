// Informer: a copy of one resource kept current by watching, and the handlers told of its changes.
//
// Owns:  the object store, the handlers, the position in the resource's history.
// Not:   retry timing and requests (reflector.ts), acting on changes (work queues do).
// I1. Handlers run synchronously and in the order they were added, after the store has the change.
// I2. A handler sees each object first as an add, then updates, then a delete; never an update it was not told the add of.
// I3. `hasSynced` turns true once, when the store held a complete state and every handler was told of it.
// I4. Cached objects are never written to; `freeze` makes the runtime enforce it.
// Upstream: client-go tools/cache SharedIndexInformer.
import type { Logger } from "@lenj/base";
import type { GroupVersionResource, KubeObject } from "../api-client.js";
import { objectName, qualifiedResource } from "../resources.js";
import { deepFreeze } from "./deep-freeze.js";
import { type IndexFunction, type Lister, ObjectStore } from "./object-store.js";

export interface InformerHandler<T extends KubeObject> {
  /** `isInInitialList`: the object existed before this handler, or before the informer had synced. */
  onAdd?(object: T, isInInitialList: boolean): void;
  onUpdate?(previous: T, object: T): void;
  /** `object` is the last state known, which may be older than the state at deletion when the watch was broken. */
  onDelete?(object: T): void;
}

export interface Informer<T extends KubeObject> {
  readonly resource: GroupVersionResource;
  readonly lister: Lister<T>;
  readonly hasSynced: boolean;
  /** The handler is told of everything already known before this returns. The result removes it. */
  addHandler(handler: InformerHandler<T>): () => void;
  addIndex(name: string, valuesOf: IndexFunction<T>): void;
  /** Resolves once `hasSynced`; rejects with the signal's reason when aborted first. */
  whenSynced(signal: AbortSignal): Promise<void>;
}

export interface InformerSettings<T extends KubeObject> {
  readonly resource: GroupVersionResource;
  readonly logger: Logger;
  /** Applied to every object before it is stored; may return its argument changed. */
  readonly transform?: (object: T) => T;
  /** For tests: a write to a cached object throws. */
  readonly freeze?: boolean;
}

export class SharedInformer<T extends KubeObject> implements Informer<T> {
  readonly resource: GroupVersionResource;
  readonly #store = new ObjectStore<T>();
  readonly #handlers = new Set<InformerHandler<T>>();
  readonly #settings: InformerSettings<T>;
  readonly #waiting = new Set<() => void>();
  #hasSynced = false;

  constructor(settings: InformerSettings<T>) {
    this.#settings = settings;
    this.resource = settings.resource;
  }

  get lister(): Lister<T> {
    return this.#store;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  addIndex(name: string, valuesOf: IndexFunction<T>): void {
    this.#store.addIndex(name, valuesOf);
  }

  addHandler(handler: InformerHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#store.list()) this.#tell(() => handler.onAdd?.(object, true));
    return () => this.#handlers.delete(handler);
  }

  /** The complete state as of a list; what is known and not in it was deleted. */
  applyReplace(objects: readonly T[]): void {
    const gone = new Set(this.#store.keys());
    for (const object of objects) {
      gone.delete(objectName(object));
      this.applyPut(object);
    }
    for (const key of gone) this.#applyRemove(key, undefined);
    this.#hasSynced = true;
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  whenSynced(signal: AbortSignal): Promise<void> {
    if (this.#hasSynced) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const onSynced = (): void => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiting.delete(onSynced);
        reject(signal.reason as Error);
      };
      this.#waiting.add(onSynced);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  applyPut(received: T): void {
    const object = this.#admit(received);
    const previous = this.#store.put(object);
    if (previous === undefined) this.#tellAll((handler) => handler.onAdd?.(object, !this.#hasSynced));
    else if (previous.metadata?.resourceVersion !== object.metadata?.resourceVersion) this.#tellReplaced(previous, object);
  }

  applyDelete(received: T): void {
    this.#applyRemove(objectName(received), this.#admit(received));
  }

  /** An object of the same name but another uid is another object: its predecessor's deletion was missed. */
  #tellReplaced(previous: T, object: T): void {
    if (previous.metadata?.uid === object.metadata?.uid) {
      this.#tellAll((handler) => handler.onUpdate?.(previous, object));
      return;
    }
    this.#tellAll((handler) => handler.onDelete?.(previous));
    this.#tellAll((handler) => handler.onAdd?.(object, false));
  }

  #applyRemove(key: string, last: T | undefined): void {
    const previous = this.#store.remove(key);
    if (previous !== undefined) this.#tellAll((handler) => handler.onDelete?.(last ?? previous));
  }

  #admit(received: T): T {
    const object = this.#settings.transform?.(received) ?? received;
    return this.#settings.freeze === true ? deepFreeze(object) : object;
  }

  #tellAll(call: (handler: InformerHandler<T>) => void): void {
    for (const handler of this.#handlers) this.#tell(() => call(handler));
  }

  /** One handler's bug must not keep the others, or the cache, from going on. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#settings.logger.error("Informer handler failed", { resource: qualifiedResource(this.resource), error });
    }
  }
}
