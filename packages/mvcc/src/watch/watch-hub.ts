// Who watches what, and who has been told what.
//
// Owns:  all watchers of this member: their range, position, and whether they are caught up.
// Not:   streams, framing and buffers (the sinks), reading of rows (key space).
// W1. A watcher gets each event of its range once, in revision order, none below its start; one revision is never split between deliveries.
// W2. A caught-up ("synced") watcher has been handed every event through the current revision.
// W3. A sink that cannot take more makes its watchers fall behind; nothing is dropped: they are read from storage once it can.
// W4. Nothing is delivered to a watcher that starts in the future before that revision, progress included.
// W5. A watcher whose next revision was compacted away is ended with the compacted revision.
// Source: etcd server/storage/mvcc/watchable_store.go; one list for "unsynced" and "victims".

import { isInRange, type Key, type KeyRange } from "../key-range.js";
import type { KeyEvent, KeySpace } from "../key-space.js";

/** Revisions that one catch-up pass reads at most. */
const catchUpRevisionsMax = 1_000;
/** Bytes past which a pass reads no further revision: what a watcher that stalls again holds at most, beside its stream's own room. */
const catchUpBytesMax = 2 * 1024 * 1024;
/** Watchers that one catch-up pass serves at most. */
const catchUpWatchersMax = 512;

/** Where a watcher's messages go; one for each stream. */
export interface WatchSink {
  /** False while the stream has enough unsent bytes; the owner calls WatchHub.wake() when that ends. */
  isWritable(): boolean;
  sendEvents(watcher: Watcher, events: readonly KeyEvent[], revision: number): void;
  /** The watcher is gone: its next revision is below `compactRevision`. */
  sendCompacted(watcher: Watcher, compactRevision: number): void;
}

export interface WatcherOptions {
  readonly id: number;
  readonly sink: WatchSink;
  readonly range: KeyRange;
  /** First revision wanted; 0 for what comes next. */
  readonly startRevision: number;
  readonly skipPuts: boolean;
  readonly skipDeletes: boolean;
  readonly wantsPrevious: boolean;
  readonly wantsProgress: boolean;
  readonly wantsFragments: boolean;
}

export interface Watcher extends WatcherOptions {
  /** First revision not delivered yet. */
  nextRevision: number;
  isSynced: boolean;
  /** Events matched but not handed over, inside one notification only. A single one is in a list that others share. */
  matched: KeyEvent[] | undefined;
  /** For its sink: when it was last sent something. */
  sentMs: number;
}

interface RangeGroup {
  readonly range: KeyRange;
  readonly watchers: Set<Watcher>;
}

export class WatchHub {
  readonly #byKey = new Map<Key, Set<Watcher>>();
  readonly #byRange = new Map<string, RangeGroup>();
  readonly #behind = new Set<Watcher>();
  #count = 0;

  /** `onWork` is called when catchUp() has something to do; it must not call back synchronously. */
  constructor(
    private readonly space: KeySpace,
    private readonly onWork: () => void,
  ) {}

  get size(): number {
    return this.#count;
  }

  get behind(): number {
    return this.#behind.size;
  }

  add(options: WatcherOptions): Watcher {
    const current = this.space.currentRevision;
    const isSynced = options.startRevision <= 0 || options.startRevision > current;
    const nextRevision = options.startRevision <= 0 ? current + 1 : options.startRevision;
    const watcher: Watcher = { ...options, nextRevision, isSynced, matched: undefined, sentMs: 0 };
    this.#count += 1;
    if (isSynced) this.#link(watcher);
    else this.#fallBehind(watcher);
    return watcher;
  }

  remove(watcher: Watcher): void {
    const wasThere = watcher.isSynced ? this.#unlink(watcher) : this.#behind.delete(watcher);
    if (wasThere) this.#count -= 1;
    watcher.matched = undefined;
  }

  /** Tells watchers of a batch of changes that were just committed, oldest first. */
  notify(events: readonly KeyEvent[]): void {
    if (this.#byKey.size === 0 && this.#byRange.size === 0) return;
    const touched: Touched = new Map();
    for (const event of events) {
      // The same list for all: a sink that is handed it again need not look into it again.
      const alone = [event];
      const exact = this.#byKey.get(event.key);
      if (exact !== undefined) for (const watcher of exact) match(watcher, event, alone, touched);
      for (const group of this.#byRange.values()) {
        if (isInRange(group.range, event.key)) for (const watcher of group.watchers) match(watcher, event, alone, touched);
      }
    }
    const revision = this.space.currentRevision;
    // Stream by stream, so that the processor has one at hand at a time.
    for (const watchers of touched.values()) for (const watcher of watchers) this.#flush(watcher, revision);
  }

  /** One bounded pass over watchers that are behind. Returns whether another pass would make progress now. */
  catchUp(): boolean {
    const chosen: Watcher[] = [];
    for (const watcher of this.#behind) {
      if (chosen.length >= catchUpWatchersMax) break;
      if (!watcher.sink.isWritable()) continue;
      if (watcher.nextRevision < this.space.compactRevision) this.#endCompacted(watcher);
      else chosen.push(watcher);
    }
    if (chosen.length === 0) return false;
    const from = Math.min(...chosen.map((watcher) => watcher.nextRevision));
    const current = this.space.currentRevision;
    const { events, through } = this.space.eventsBetween(from, Math.min(current, from + catchUpRevisionsMax - 1), catchUpBytesMax);
    for (const watcher of chosen) {
      if (watcher.nextRevision <= through) this.#deliver(watcher, events, through);
      // Served watchers go to the end, so that ones never chosen get their turn.
      this.#behind.delete(watcher);
      if (watcher.nextRevision > current) {
        watcher.isSynced = true;
        this.#link(watcher);
      } else {
        this.#behind.add(watcher);
      }
    }
    for (const watcher of this.#behind) if (watcher.sink.isWritable()) return true;
    return false;
  }

  /** A sink became writable again. */
  wake(): void {
    if (this.#behind.size > 0) this.onWork();
  }

  #deliver(watcher: Watcher, events: readonly KeyEvent[], through: number): void {
    const wanted = events.filter((event) => event.main >= watcher.nextRevision && isWanted(watcher, event));
    watcher.nextRevision = through + 1;
    if (wanted.length > 0)
      watcher.sink.sendEvents(watcher, wanted, this.space.currentRevision === through ? through : (wanted.at(-1) as KeyEvent).main);
  }

  #flush(watcher: Watcher, revision: number): void {
    const matched = watcher.matched ?? [];
    watcher.matched = undefined;
    if (watcher.sink.isWritable()) {
      watcher.nextRevision = revision + 1;
      watcher.sink.sendEvents(watcher, matched, revision);
      return;
    }
    watcher.nextRevision = Math.max(watcher.nextRevision, (matched[0] as KeyEvent).main);
    this.#unlink(watcher);
    this.#fallBehind(watcher);
  }

  #fallBehind(watcher: Watcher): void {
    watcher.isSynced = false;
    this.#behind.add(watcher);
    this.onWork();
  }

  #endCompacted(watcher: Watcher): void {
    this.#behind.delete(watcher);
    this.#count -= 1;
    watcher.sink.sendCompacted(watcher, this.space.compactRevision);
  }

  #link(watcher: Watcher): void {
    const { range } = watcher;
    if (range.end === undefined) {
      const watchers = this.#byKey.get(range.start);
      if (watchers === undefined) this.#byKey.set(range.start, new Set([watcher]));
      else watchers.add(watcher);
      return;
    }
    const name = rangeName(range);
    const group = this.#byRange.get(name);
    if (group === undefined) this.#byRange.set(name, { range, watchers: new Set([watcher]) });
    else group.watchers.add(watcher);
  }

  #unlink(watcher: Watcher): boolean {
    const { range } = watcher;
    const watchers = range.end === undefined ? this.#byKey.get(range.start) : this.#byRange.get(rangeName(range))?.watchers;
    const wasThere = watchers?.delete(watcher) ?? false;
    if (watchers?.size === 0) {
      if (range.end === undefined) this.#byKey.delete(range.start);
      else this.#byRange.delete(rangeName(range));
    }
    return wasThere;
  }
}

/** Unambiguous: U+0101 occurs in no key. */
function rangeName(range: KeyRange): string {
  return `${range.start}\u0101${range.end}`;
}

function isWanted(watcher: Watcher, event: KeyEvent): boolean {
  if (event.type === "put" ? watcher.skipPuts : watcher.skipDeletes) return false;
  return isInRange(watcher.range, event.key);
}

/** Watchers with something matched, by the stream they are of. */
type Touched = Map<WatchSink, Watcher[]>;

/** `alone` holds the event and nothing else. */
function match(watcher: Watcher, event: KeyEvent, alone: KeyEvent[], touched: Touched): void {
  if (event.main < watcher.nextRevision) return;
  if (event.type === "put" ? watcher.skipPuts : watcher.skipDeletes) return;
  if (watcher.matched !== undefined) {
    if (watcher.matched.length > 1) watcher.matched.push(event);
    else watcher.matched = [...watcher.matched, event];
    return;
  }
  watcher.matched = alone;
  const others = touched.get(watcher.sink);
  if (others === undefined) touched.set(watcher.sink, [watcher]);
  else others.push(watcher);
}
