// API objects that pods refer to, read when needed and remembered for a moment.
//
// Many containers of many pods ask for the same ConfigMaps when they start together; a refresh asks again. Upstream
// watches each object instead, which costs a stream an object; a pod's regular sync brings changes here within its period.

import type { Clock } from "@lenj/base";
import { type ApiClient, type GroupVersionResource, isNotFound, type KubeObject } from "@lenj/client";

const freshMs = 3_000;
const entriesMax = 1024;

interface Entry {
  readonly atMs: number;
  readonly object: Promise<KubeObject | undefined>;
}

export class ObjectSource {
  readonly #entries = new Map<string, Entry>();

  constructor(
    readonly client: ApiClient,
    readonly clock: Clock,
  ) {}

  /** The object, at most three seconds old, or undefined when there is none. Other failures reject. */
  async get<T extends KubeObject>(
    gvr: GroupVersionResource,
    namespace: string | undefined,
    name: string,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    signal?.throwIfAborted();
    const key = `${gvr.resource}.${gvr.group}/${namespace ?? ""}/${name}`;
    const nowMs = this.clock.monotonicMs();
    const known = this.#entries.get(key);
    if (known !== undefined && nowMs - known.atMs < freshMs) return (await known.object) as T | undefined;
    // Not bound to the caller's signal: others may wait for the same answer.
    const object = this.client.get<T>(gvr, namespace === undefined ? { name } : { namespace, name }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      this.#entries.delete(key);
      throw error;
    });
    this.#entries.delete(key);
    this.#entries.set(key, { atMs: nowMs, object });
    if (this.#entries.size > entriesMax) this.#entries.delete(this.#entries.keys().next().value as string);
    return object;
  }

  /** Name → object; missing ones are absent. */
  async getAll<T extends KubeObject>(
    gvr: GroupVersionResource,
    namespace: string,
    names: Iterable<string>,
    signal?: AbortSignal,
  ): Promise<Map<string, T>> {
    const found = new Map<string, T>();
    await Promise.all(
      [...names].map(async (name) => {
        const object = await this.get<T>(gvr, namespace, name, signal);
        if (object !== undefined) found.set(name, object);
      }),
    );
    return found;
  }
}
