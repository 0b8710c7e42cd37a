// Keeps the caches equal to the store: reads everything once, then follows one watch over the whole key space.
//
// Owns:  the watch on the store, the caches' progress.
// Not:   the caches themselves (core/watch-cache.ts), decoding (the codec).
// F1. One watch feeds all caches, so they all have everything up to the same revision.
// F2. A cache never goes back: when history was lost it is reset to a newer state and its watchers end.
// F3. The loop has one suspension point a message; between two of them all caches are consistent with each other.
// Source: k8s.io/apiserver pkg/storage/cacher (reflector, progress requests).
import { type Clock, delay, type Logger, TaskGroup } from "@lenj/base";
import type { CachedObject } from "../core/cached-object.js";
import type { StoredResource } from "../core/catalog.js";
import type { ObjectCodec } from "../core/codec.js";
import type { CacheFreshness } from "../core/feed.js";
import { RevisionClock } from "../core/revision-clock.js";
import { isStorageError, type ObjectStorage, type StorageChange, type StorageMessage } from "../core/storage.js";
import type { WatchCache } from "../core/watch-cache.js";
import { decodeRecord } from "../handlers/object-store.js";

const pageSize = 500;
/** Readers that wait make the feed ask the store how far it is, this often. Source: cacher progressRequestPeriod. */
const progressIntervalMs = 100;
const retryMs = 1_000;

export interface FedCache {
  readonly stored: StoredResource;
  readonly cache: WatchCache;
}

export interface StoreFeedOptions {
  readonly storage: ObjectStorage;
  readonly codec: ObjectCodec;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends with a slash. */
  readonly keyRoot: string;
  readonly caches: readonly FedCache[];
}

export class StoreFeed implements CacheFreshness {
  readonly #options: StoreFeedOptions;
  readonly #progress = new RevisionClock();
  readonly #tasks = new TaskGroup();
  readonly #byPrefix: ReadonlyMap<string, FedCache>;
  #isWarm = false;
  #isAsking = false;
  #reportWarm!: () => void;
  /** Resolves when the caches have been filled for the first time. */
  readonly warm: Promise<void>;

  constructor(options: StoreFeedOptions) {
    this.#options = options;
    this.#byPrefix = new Map(options.caches.map((fed) => [fed.stored.placement.prefix, fed]));
    this.warm = new Promise((resolve) => {
      this.#reportWarm = resolve;
    });
  }

  get failed(): Promise<Error> {
    return this.#tasks.failed;
  }

  get isWarm(): boolean {
    return this.#isWarm;
  }

  get revision(): number {
    return this.#progress.revision;
  }

  start(): void {
    this.#tasks.run("store feed", (signal) => this.#run(signal));
  }

  async waitFor(revision: number, options: { timeoutMs: number; signal?: AbortSignal | undefined }): Promise<boolean> {
    if (revision <= this.#progress.revision) return true;
    const reached = this.#progress.waitFor(revision, { clock: this.#options.clock, timeoutMs: options.timeoutMs, signal: options.signal });
    if (!this.#isAsking) this.#tasks.run("progress requests", (signal) => this.#askForProgress(signal));
    return reached;
  }

  /** Events mostly arrive within a millisecond; only what changed outside our keys needs the question. */
  async #askForProgress(signal: AbortSignal): Promise<void> {
    this.#isAsking = true;
    try {
      while (this.#progress.isAwaited) {
        await delay(this.#options.clock, progressIntervalMs / 10, signal);
        if (!this.#progress.isAwaited) return;
        this.#options.storage.requestProgress();
        await delay(this.#options.clock, progressIntervalMs, signal);
      }
    } finally {
      this.#isAsking = false;
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    let from: number | undefined;
    while (!signal.aborted) {
      try {
        from ??= await this.#fill(signal);
        const { keyRoot, storage } = this.#options;
        for await (const message of storage.watch(keyRoot, from, signal)) {
          this.#take(message);
          from = Math.max(from, message.revision);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (isStorageError(error, "COMPACTED")) {
          logger.warn("Store history was compacted, reading everything again", { revision: from ?? 0 });
          from = undefined;
          continue;
        }
        logger.warn("Store watch failed, trying again", { error, retryMs });
        await delay(clock, retryMs, signal).catch(() => {
          // Stopped: the loop's condition ends it.
        });
      }
    }
  }

  /** Reads the whole key space at one revision into the caches. Returns that revision. */
  async #fill(signal: AbortSignal): Promise<number> {
    const { keyRoot, storage } = this.#options;
    const found = new Map<FedCache, CachedObject[]>(this.#options.caches.map((fed) => [fed, []]));
    let revision: number | undefined;
    let startKey: string | undefined;
    for (;;) {
      const page = await storage.list({ prefix: keyRoot, startKey, limit: pageSize, revision }, { signal });
      revision ??= page.revision;
      for (const record of page.records) {
        const place = this.#locate(record.key);
        if (place === undefined) continue;
        const state = this.#decode(place.fed, place.key, record.value, record.revision);
        if (state !== undefined) found.get(place.fed)?.push(state);
      }
      const last = page.records.at(-1);
      if (!page.more || last === undefined) break;
      startKey = `${last.key}\u0000`;
    }
    for (const [fed, states] of found) fed.cache.reset(states, revision);
    this.#progress.advance(revision);
    if (!this.#isWarm)
      this.#options.logger.info("Caches are filled", {
        revision,
        objects: [...found.values()].reduce((sum, states) => sum + states.length, 0),
      });
    this.#isWarm = true;
    this.#reportWarm();
    return revision;
  }

  #take(message: StorageMessage): void {
    for (const change of message.changes) this.#apply(change);
    for (const { cache } of this.#options.caches) cache.advance(message.revision);
    this.#progress.advance(message.revision);
  }

  #apply(change: StorageChange): void {
    const place = this.#locate(change.key);
    if (place === undefined) return;
    if (change.type === "delete") return place.fed.cache.apply(place.key, change.revision, undefined);
    const state = this.#decode(place.fed, place.key, change.value, change.revision);
    if (state !== undefined) place.fed.cache.apply(place.key, change.revision, state.object);
  }

  /** Undefined for damaged values: one broken object must not stop the whole server. */
  #decode(fed: FedCache, key: string, value: Uint8Array, revision: number): CachedObject | undefined {
    try {
      return decodeRecord(fed.stored, this.#options.codec, key, { value, revision });
    } catch (error) {
      this.#options.logger.error("Cannot decode stored object", { key, revision, resource: fed.stored.declaration.plural, error });
      return undefined;
    }
  }

  /** Prefixes have one to three segments; the longest that is known wins. */
  #locate(key: string): { fed: FedCache; key: string } | undefined {
    const path = key.slice(this.#options.keyRoot.length);
    let best: { fed: FedCache; key: string } | undefined;
    let end = path.indexOf("/");
    for (let depth = 0; depth < 3 && end >= 0; depth += 1) {
      const fed = this.#byPrefix.get(path.slice(0, end));
      if (fed !== undefined) best = { fed, key: path.slice(end + 1) };
      end = path.indexOf("/", end + 1);
    }
    return best;
  }

  close(): Promise<void> {
    return this.#tasks.close();
  }
}
