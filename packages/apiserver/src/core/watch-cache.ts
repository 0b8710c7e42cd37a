// Watch cache: the present state and recent history of one stored resource, served to many readers and watchers.
//
// Owns:  the object map in key order, the ring of events, the watchers.
// Not:   reading from the store (see drivers/store-feed.ts), encoding, HTTP framing.
// W1. Events enter in strictly increasing revision order.
// W2. A watcher sees each event at most once, in order, and none that is not after its start.
// W3. A watcher that lets its queue fill up is closed; it never blocks the cache.
// W4. Every event after `oldestWatchable` is in the ring; watches from before it are refused as expired.
// Source: k8s.io/apiserver pkg/storage/cacher.

import { type KubernetesObject, newExpired } from "@lenj/apimachinery";
import { BoundedQueue, type Clock, invariant } from "@lenj/base";
import BTreeModule from "sorted-btree";
import { CachedObject } from "./cached-object.js";

// The package is CommonJS with a default export inside.
const BTree =
  (BTreeModule as unknown as { default?: typeof BTreeModule.default }).default ?? (BTreeModule as unknown as typeof BTreeModule.default);
type Tree = InstanceType<typeof BTree<string, CachedObject>>;

export interface CacheEvent {
  readonly revision: number;
  readonly before: CachedObject | undefined;
  /** The new state; for a deletion the last state with the deletion's revision. */
  readonly after: CachedObject;
  readonly deleted: boolean;
}

/** Which objects a reader is interested in. */
export interface Selection {
  /** "" or `<namespace>/`. */
  readonly keyPrefix: string;
  /** Set when only one object can match. */
  readonly exactKey: string | undefined;
  /** Undefined: everything in the range. */
  readonly matches: ((object: KubernetesObject) => boolean) | undefined;
}

/** What a watcher delivers. Bookmarks carry only how far the watch is. */
export type WatchItem =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly state: CachedObject; readonly event: CacheEvent | undefined }
  | { readonly type: "BOOKMARK"; readonly revision: number; readonly endsInitialEvents: boolean };

export type WatcherEnd = "slow" | "reset" | "stopped";

/** Thrown out of a watcher's queue when the cache ended it. */
export class WatcherEnded extends Error {
  override readonly name = "WatcherEnded";
  constructor(readonly code: WatcherEnd) {
    super(`Watch ended: ${code}`);
  }
}

export interface Watcher {
  /** Delivered before anything of the queue. */
  readonly initial: readonly WatchItem[];
  readonly queue: BoundedQueue<WatchItem>;
  /** Queues a bookmark at the cache's present revision. */
  offerBookmark(): void;
  close(): void;
}

export interface WatchCacheOptions {
  readonly clock: Clock;
  /** Events kept however old they are. Default 100. */
  readonly historyMin?: number;
  /** Events kept at most. Default 20,000. */
  readonly historyMax?: number;
  /** Events younger than this are kept up to `historyMax`. Default 75,000. */
  readonly historyMs?: number;
  /** Events that wait for one watcher at most; past it the watcher is closed as slow. Default 4,000. */
  readonly watcherCapacity?: number;
}

export class WatchCache {
  readonly #clock: Clock;
  readonly #historyMin: number;
  readonly #historyMax: number;
  readonly #historyMs: number;
  readonly #watcherCapacity: number;
  #objects: Tree = new BTree<string, CachedObject>();
  #ring: { event: CacheEvent; atMs: number }[] = [];
  #ringStart = 0;
  #revision = 0;
  #oldestWatchable = 0;
  #isReady = false;
  readonly #watchers = new Set<CacheWatcher>();
  readonly #byKey = new Map<string, Set<CacheWatcher>>();
  readonly #observers = new Set<(before: CachedObject | undefined, after: CachedObject | undefined) => void>();

  constructor(options: WatchCacheOptions) {
    this.#clock = options.clock;
    this.#historyMin = options.historyMin ?? 100;
    this.#historyMax = options.historyMax ?? 20_000;
    this.#historyMs = options.historyMs ?? 75_000;
    this.#watcherCapacity = options.watcherCapacity ?? 4_000;
  }

  /** Every change up to here is in the cache. */
  get revision(): number {
    return this.#revision;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get size(): number {
    return this.#objects.size;
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  /** Replaces everything by what the store holds at `revision`. Present watchers end: they may have missed events. */
  reset(objects: readonly CachedObject[], revision: number): void {
    const former = this.#objects;
    this.#objects = new BTree<string, CachedObject>(objects.map((state) => [state.key, state]));
    this.#ring = [];
    this.#ringStart = 0;
    this.#revision = revision;
    this.#oldestWatchable = revision;
    this.#isReady = true;
    this.#endWatchers("reset");
    if (this.#observers.size === 0) return;
    for (const state of former.values()) if (!this.#objects.has(state.key)) this.#tellObservers(state, undefined);
    for (const state of this.#objects.values()) {
      const before = former.get(state.key);
      if (before?.revision !== state.revision) this.#tellObservers(before, state);
    }
  }

  /** Takes in one change. `object` is undefined for deletions. Changes at or below the cache's revision are known already. */
  apply(key: string, revision: number, object: KubernetesObject | undefined): void {
    if (revision <= this.#revision && !(revision === this.#revision && this.#objects.get(key)?.revision !== revision)) return;
    const before = this.#objects.get(key);
    if (object === undefined && before === undefined) return;
    const after = object === undefined ? tombstone(before as CachedObject, revision) : new CachedObject(key, revision, object);
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, after);
    const event: CacheEvent = { revision, before, after, deleted: object === undefined };
    this.#remember(event);
    this.#revision = Math.max(this.#revision, revision);
    for (const watcher of this.#byKey.get(key) ?? []) watcher.onEvent(event);
    for (const watcher of this.#watchers) if (watcher.selection.exactKey === undefined) watcher.onEvent(event);
    if (this.#observers.size > 0) this.#tellObservers(before, event.deleted ? undefined : after);
  }

  /** Nothing of this resource changed up to `revision`. */
  advance(revision: number): void {
    if (revision > this.#revision) this.#revision = revision;
  }

  get(key: string): CachedObject | undefined {
    return this.#objects.get(key);
  }

  /** In key order, from `startKey` on. */
  list(selection: Selection, startKey?: string): CachedObject[] {
    const { exactKey, keyPrefix, matches } = selection;
    const found: CachedObject[] = [];
    if (exactKey !== undefined) {
      const state = this.#objects.get(exactKey);
      if (state !== undefined && (startKey === undefined || exactKey >= startKey) && (matches === undefined || matches(state.object)))
        found.push(state);
      return found;
    }
    const low = startKey !== undefined && startKey > keyPrefix ? startKey : keyPrefix;
    // Keys are ASCII, so U+FFFF is above every key with this prefix.
    this.#objects.forRange(low, `${keyPrefix}\uffff`, false, (_key, state) => {
      if (matches === undefined || matches(state.object)) found.push(state);
    });
    return found;
  }

  /**
   * Starts a watch. `from` is the revision after which events are wanted, or "initial" for all present objects first.
   * Throws StatusError Expired when the history does not reach back to `from`.
   */
  watch(selection: Selection, from: number | "initial", options: { markInitialEventsEnd?: boolean } = {}): Watcher {
    let initial: WatchItem[];
    if (from === "initial") {
      initial = this.list(selection).map((state) => ({ type: "ADDED", state, event: undefined }));
      if (options.markInitialEventsEnd === true) initial.push({ type: "BOOKMARK", revision: this.#revision, endsInitialEvents: true });
    } else {
      initial = this.#replay(selection, from);
    }
    const watcher = new CacheWatcher(selection, initial, this.#watcherCapacity, this, (closing) => this.#forget(closing));
    // A watch from the future stays silent until the cache is there; the handler waits for that before it asks.
    this.#watchers.add(watcher);
    if (selection.exactKey !== undefined) {
      let sameKey = this.#byKey.get(selection.exactKey);
      if (sameKey === undefined) this.#byKey.set(selection.exactKey, (sameKey = new Set()));
      sameKey.add(watcher);
    }
    return watcher;
  }

  /** Calls back for every object now and for every change from now on; returns the function that ends it. */
  observe(onChange: (before: CachedObject | undefined, after: CachedObject | undefined) => void): () => void {
    for (const state of this.#objects.values()) onChange(undefined, state);
    this.#observers.add(onChange);
    return () => this.#observers.delete(onChange);
  }

  /** Ends all watchers; the cache goes on. */
  endWatchers(): void {
    this.#endWatchers("stopped");
  }

  #replay(selection: Selection, from: number): WatchItem[] {
    if (from < this.#oldestWatchable) throw newExpired(`too old resource version: ${from} (${this.#oldestWatchable})`);
    const items: WatchItem[] = [];
    for (let position = this.#ringStart; position < this.#ring.length; position += 1) {
      const { event } = this.#ring[position] as { event: CacheEvent };
      if (event.revision <= from) continue;
      const item = itemOf(event, selection);
      if (item !== undefined) items.push(item);
    }
    return items;
  }

  #remember(event: CacheEvent): void {
    const nowMs = this.#clock.monotonicMs();
    const last = this.#ring.at(-1);
    invariant(
      last === undefined || last.event.revision <= event.revision,
      () => `W1: event ${event.revision} after ${last?.event.revision}`,
    );
    this.#ring.push({ event, atMs: nowMs });
    for (;;) {
      const count = this.#ring.length - this.#ringStart;
      const oldest = this.#ring[this.#ringStart];
      if (count <= this.#historyMin || oldest === undefined) break;
      if (count <= this.#historyMax && nowMs - oldest.atMs < this.#historyMs) break;
      this.#oldestWatchable = oldest.event.revision;
      this.#ring[this.#ringStart] = undefined as never;
      this.#ringStart += 1;
    }
    if (this.#ringStart > 1_024 && this.#ringStart * 2 > this.#ring.length) {
      this.#ring = this.#ring.slice(this.#ringStart);
      this.#ringStart = 0;
    }
  }

  #tellObservers(before: CachedObject | undefined, after: CachedObject | undefined): void {
    for (const observer of this.#observers) observer(before, after);
  }

  #endWatchers(why: WatcherEnd): void {
    for (const watcher of [...this.#watchers]) {
      watcher.queue.fail(new WatcherEnded(why));
      this.#forget(watcher);
    }
  }

  #forget(watcher: CacheWatcher): void {
    this.#watchers.delete(watcher);
    const { exactKey } = watcher.selection;
    if (exactKey === undefined) return;
    const sameKey = this.#byKey.get(exactKey);
    sameKey?.delete(watcher);
    if (sameKey?.size === 0) this.#byKey.delete(exactKey);
  }
}

class CacheWatcher implements Watcher {
  readonly queue: BoundedQueue<WatchItem>;
  readonly #cache: WatchCache;
  readonly #onClose: (watcher: CacheWatcher) => void;

  constructor(
    readonly selection: Selection,
    readonly initial: readonly WatchItem[],
    capacity: number,
    cache: WatchCache,
    onClose: (watcher: CacheWatcher) => void,
  ) {
    this.queue = new BoundedQueue(capacity);
    this.#cache = cache;
    this.#onClose = onClose;
  }

  onEvent(event: CacheEvent): void {
    const item = itemOf(event, this.selection);
    if (item === undefined || this.queue.offer(item)) return;
    this.queue.fail(new WatcherEnded("slow"));
    this.#onClose(this);
  }

  offerBookmark(): void {
    // A full queue has news to deliver; the bookmark can wait for the next time.
    this.queue.offer({ type: "BOOKMARK", revision: this.#cache.revision, endsInitialEvents: false });
  }

  close(): void {
    this.queue.close();
    this.#onClose(this);
  }
}

/** How `event` looks through `selection`: objects entering it are added, objects leaving it deleted. */
function itemOf(event: CacheEvent, selection: Selection): WatchItem | undefined {
  const { key } = event.after;
  if (selection.exactKey !== undefined ? key !== selection.exactKey : !key.startsWith(selection.keyPrefix)) return undefined;
  const { matches } = selection;
  const wasIn = event.before !== undefined && (matches === undefined || matches(event.before.object));
  const isIn = !event.deleted && (matches === undefined || matches(event.after.object));
  if (isIn) return { type: wasIn ? "MODIFIED" : "ADDED", state: event.after, event };
  if (!wasIn) return undefined;
  if (event.deleted) return { type: "DELETED", state: event.after, event };
  // Left the selection: the watcher gets the last state that it could see, at the revision of the change.
  return { type: "DELETED", state: tombstone(event.before as CachedObject, event.revision), event };
}

function tombstone(last: CachedObject, revision: number): CachedObject {
  return new CachedObject(last.key, revision, { ...last.object, metadata: { ...last.object.metadata, resourceVersion: String(revision) } });
}
