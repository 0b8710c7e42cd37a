// Reflector: feeds an informer from the api-server.
//
// R1. The first complete state comes from one watch with initial events (WatchList); a server that refuses that
//     (400, 405 or 422) is asked by list and watch from then on.
// R2. A broken or ended watch is resumed from the last resource version seen; only "too old" (410) leads to a new
//     complete state, which replaces the store in one step.
// R3. Every failure waits with backoff; a watch that delivered anything resets it. A healthy end is resumed at once.
// The only suspension points are the api-server's answers and the backoff wait.
// Upstream: client-go tools/cache/reflector.go.
import { type Clock, delay, type Logger, type Random } from "@lenj/base";
import type { ApiClient, KubeObject, SelectOptions, WatchEvent } from "../api-client.js";
import { ApiError, isApiError, isExpired } from "../errors.js";
import { qualifiedResource } from "../resources.js";
import { Backoff } from "./backoff.js";
import type { SharedInformer } from "./informer.js";

const INITIAL_EVENTS_END = "k8s.io/initial-events-end";
const LIST_PAGE_SIZE = 500;
/** A watch is ended by the server after five to ten minutes, so that load spreads over restarted servers again. */
const WATCH_SECONDS_MIN = 300;
const BACKOFF = { initialMs: 200, maxMs: 10_000 } as const;
/** A watch that ends sooner than this without an event did not work, whatever the server says. */
const SHORT_WATCH_MS = 1_000;

export interface ReflectorDependencies {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class Reflector<T extends KubeObject> {
  readonly #informer: SharedInformer<T>;
  readonly #select: SelectOptions;
  readonly #deps: ReflectorDependencies;
  readonly #backoff: Backoff;
  /** Undefined: the next request asks for the complete state. */
  #resourceVersion: string | undefined;
  #useWatchList = true;

  constructor(informer: SharedInformer<T>, select: SelectOptions, deps: ReflectorDependencies) {
    this.#informer = informer;
    this.#select = select;
    this.#deps = deps;
    this.#backoff = new Backoff(BACKOFF, deps.random);
  }

  /** Until `signal` is aborted; never rejects for an answer of the server. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedMs = this.#deps.clock.monotonicMs();
      try {
        if (this.#resourceVersion === undefined && !this.#useWatchList) await this.#list(signal);
        const eventCount = await this.#watch(signal);
        const isShort = this.#deps.clock.monotonicMs() - startedMs < SHORT_WATCH_MS && eventCount === 0;
        if (isShort) await delay(this.#deps.clock, this.#backoff.nextMs(), signal).catch(() => undefined);
      } catch (error) {
        if (signal.aborted) return;
        await this.#onFailure(error, signal);
      }
    }
  }

  async #onFailure(error: unknown, signal: AbortSignal): Promise<void> {
    const fields = { resource: qualifiedResource(this.#informer.resource), error: error instanceof Error ? error.message : String(error) };
    if (isExpired(error)) {
      this.#deps.logger.debug("Watch position is too old, listing again", fields);
      const isFirstTry = this.#resourceVersion !== undefined;
      this.#resourceVersion = undefined;
      if (isFirstTry) return;
    } else if (this.#resourceVersion === undefined && this.#useWatchList && isApiError(error) && [400, 405, 422].includes(error.code)) {
      this.#deps.logger.debug("Server refused initial events in a watch, falling back to list and watch", fields);
      this.#useWatchList = false;
      return;
    } else {
      this.#deps.logger.debug("Watch failed", fields);
      // A server that came back with an older history answers a future resource version with Timeout: start over.
      if (isApiError(error) && error.reason === "Timeout") this.#resourceVersion = undefined;
    }
    await delay(this.#deps.clock, this.#backoff.nextMs(), signal).catch(() => undefined);
  }

  async #list(signal: AbortSignal): Promise<void> {
    const objects: T[] = [];
    let next: string | undefined;
    let resourceVersion: string;
    do {
      const page = await this.#deps.client.list<T>(this.#informer.resource, {
        ...this.#select,
        limit: LIST_PAGE_SIZE,
        ...(next !== undefined && { continue: next }),
        signal,
      });
      for (const object of page.items) objects.push(object);
      next = page.continue;
      resourceVersion = page.resourceVersion;
    } while (next !== undefined);
    this.#informer.applyReplace(objects);
    this.#resourceVersion = resourceVersion;
  }

  /** Number of events delivered until the server ended the watch. */
  async #watch(signal: AbortSignal): Promise<number> {
    let pending = this.#resourceVersion === undefined ? new Map<string, T>() : undefined;
    const events = this.#deps.client.watch<T>(this.#informer.resource, {
      ...this.#select,
      allowBookmarks: true,
      timeoutSeconds: WATCH_SECONDS_MIN + this.#deps.random.below(WATCH_SECONDS_MIN),
      ...(this.#resourceVersion === undefined ? { sendInitialEvents: true } : { resourceVersion: this.#resourceVersion }),
      signal,
    });
    let eventCount = 0;
    for await (const event of events) {
      eventCount += 1;
      this.#backoff.reset();
      if (event.type === "ERROR") throw new ApiError(event.object);
      if (pending === undefined) this.#onLiveEvent(event);
      else if (onInitialEvent(pending, event)) {
        this.#informer.applyReplace([...pending.values()]);
        this.#resourceVersion = event.object.metadata?.resourceVersion ?? "";
        pending = undefined;
      }
    }
    if (pending !== undefined) throw new Error("watch ended before its initial events did");
    return eventCount;
  }

  #onLiveEvent(event: Exclude<WatchEvent<T>, { type: "ERROR" }>): void {
    if (event.type === "DELETED") this.#informer.applyDelete(event.object);
    else if (event.type !== "BOOKMARK") this.#informer.applyPut(event.object);
    this.#resourceVersion = event.object.metadata?.resourceVersion ?? this.#resourceVersion;
  }
}

/** True at the bookmark that ends the initial events. */
function onInitialEvent<T extends KubeObject>(pending: Map<string, T>, event: Exclude<WatchEvent<T>, { type: "ERROR" }>): boolean {
  if (event.type === "BOOKMARK") return event.object.metadata?.annotations?.[INITIAL_EVENTS_END] === "true";
  const key = `${event.object.metadata?.namespace ?? ""}/${event.object.metadata?.name ?? ""}`;
  if (event.type === "DELETED") pending.delete(key);
  else pending.set(key, event.object);
  return false;
}
