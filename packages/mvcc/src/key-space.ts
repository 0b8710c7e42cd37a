// The versioned key space: every transaction makes a new revision of the whole, and old ones stay readable until compacted.
//
// Owns:  current and compacted revision, the index, cached values, which lease each key hangs on.
// Not:   who may write and in which order (the replicated log), when leases expire (LeaseTable), watch delivery (WatchHub).
// K1. Revisions go up by one a transaction that changed something; nothing else moves them.
// K2. A revision at or above `compactRevision` and at or below `currentRevision` is readable, and reads there never change.
// K3. Everything is decided from replicated input alone: equal history makes equal state on all members.
// K4. After a restart the current revision is never below what it was (the scheduled compaction counts, too).
// Source: etcd server/storage/mvcc (kvstore, kvstore_txn, kvstore_compaction).
import { invariant } from "@lenj/base";
import type { Backend } from "./backend.js";
import { MvccError } from "./errors.js";
import { findChange, isDeletionAt, type KeyEntry, subAt } from "./key-entry.js";
import { KeyIndex } from "./key-index.js";
import { endOfKeys, type Key, type KeyRange, keyFromBytes } from "./key-range.js";
import { decodeKey, decodeKeyValue, type EncodedKeyValue, encodeDeletion, isTombstone } from "./key-value.js";
import type { LeaseTable } from "./lease/lease-table.js";
import { decodeMain, decodeSub, encodeRevision, initialRevision, readUint64, revisionBytes, writeUint64 } from "./revision.js";
import { ValueCache } from "./value-cache.js";

export interface KeySpaceOptions {
  readonly backend: Backend;
  readonly leases: LeaseTable;
  /** Bound of the memory for newest values, in bytes. Default 16 MiB. */
  readonly cacheBytesMax?: number;
}

const defaultCacheBytesMax = 16 * 1024 * 1024;
const everyKey: KeyRange = { start: "", end: endOfKeys };
const metaKey = (name: string): Uint8Array => Buffer.from(name, "latin1");
const scheduledCompactKey = metaKey("scheduledCompactRev");
const finishedCompactKey = metaKey("finishedCompactRev");

export interface RangeOptions {
  /** Revision to read at; 0 for the newest. */
  readonly revision: number;
  /** Most values to return; 0 for all. Counting goes on past it. */
  readonly limit: number;
  readonly countOnly: boolean;
}

export interface PageOptions {
  /** Revision to read at. */
  readonly revision: number;
  /** Most values to return; at least 1. */
  readonly limit: number;
}

/** The first keys of a range. */
export interface Page {
  readonly values: EncodedKeyValue[];
  /** The key that follows the page; undefined when the range ends with it. */
  readonly next: Key | undefined;
}

export interface RangeResult {
  readonly values: EncodedKeyValue[];
  /** Keys in the range at that revision, whatever the limit. */
  readonly count: number;
}

/** One change, as watchers get it. */
export interface KeyEvent {
  readonly type: "put" | "delete";
  readonly key: Key;
  readonly main: number;
  readonly sub: number;
  /** For a deletion: key and mod_revision only. */
  readonly value: EncodedKeyValue;
  /** Revision of the value before; 0 when there was none, or it was deleted. */
  readonly previousMain: number;
  readonly previousSub: number;
  /** The value before, when it was at hand. */
  readonly previous: EncodedKeyValue | undefined;
}

export class KeySpace {
  readonly index = new KeyIndex();
  readonly cache: ValueCache;
  readonly backend: Backend;
  readonly leases: LeaseTable;
  /** Ranges read and rows that compactions deleted, since the start. */
  readonly counts = { ranges: 0, compactedRows: 0 };
  #currentRevision = initialRevision;
  #compactRevision = -1;
  #finishedCompactRevision = -1;
  #bytesInUse = 0;
  #isDropping = false;

  constructor(options: KeySpaceOptions) {
    this.backend = options.backend;
    this.leases = options.leases;
    this.cache = new ValueCache(options.cacheBytesMax ?? defaultCacheBytesMax);
  }

  get currentRevision(): number {
    return this.#currentRevision;
  }

  /** Oldest readable revision; -1 before the first compaction. */
  get compactRevision(): number {
    return this.#compactRevision;
  }

  /** Bytes of all rows that are stored and not yet dropped. */
  get bytesInUse(): number {
    return this.#bytesInUse;
  }

  /** True while rows that a compaction made unreachable are still stored. */
  get hasDroppable(): boolean {
    return this.#isDropping;
  }

  /** Takes one stored row back after a restart. Rows come in revision order; leases were loaded before. */
  load(revision: Uint8Array, row: EncodedKeyValue): void {
    const main = decodeMain(revision);
    const sub = decodeSub(revision);
    invariant(main >= this.#currentRevision, () => `row of revision ${main} follows ${this.#currentRevision}`);
    const key = keyFromBytes(decodeKey(row));
    const isDeletion = isTombstone(row);
    const entry = this.index.add(key, main, sub, isDeletion);
    if (isDeletion) {
      this.#noteChange(entry, { createRevision: 0, version: 0, lease: 0n });
    } else {
      this.#noteChange(entry, decodeKeyValue(row));
    }
    this.#currentRevision = main;
    this.#bytesInUse += rowBytes(row);
  }

  /** Ends loading: takes the compaction marks back. */
  finishLoading(): void {
    const scheduled = this.backend.get("meta", scheduledCompactKey);
    const finished = this.backend.get("meta", finishedCompactKey);
    this.#compactRevision = scheduled === undefined ? -1 : readUint64(scheduled, 0);
    this.#finishedCompactRevision = finished === undefined ? -1 : readUint64(finished, 0);
    this.#currentRevision = Math.max(this.#currentRevision, this.#compactRevision);
    this.#isDropping = this.#finishedCompactRevision < this.#compactRevision;
  }

  /** Throws COMPACTED or FUTURE_REVISION when `revision` (0 and below: newest) cannot be read. */
  checkReadable(revision: number): void {
    if (revision <= 0) return;
    if (revision > this.#currentRevision) throw new MvccError("FUTURE_REVISION");
    if (revision < this.#compactRevision) throw new MvccError("COMPACTED");
  }

  /** Throws COMPACTED or FUTURE_REVISION. Values come in key order. */
  range(range: KeyRange, options: RangeOptions): RangeResult {
    this.checkReadable(options.revision);
    return this.rangeUnchecked(range, options);
  }

  /** As {@link range}, for a revision known to be readable; sees the changes of an open transaction. */
  rangeUnchecked(range: KeyRange, options: RangeOptions): RangeResult {
    this.counts.ranges += 1;
    const revision = options.revision <= 0 ? Number.MAX_SAFE_INTEGER : options.revision;
    const limit = options.countOnly ? 0 : options.limit <= 0 ? Number.MAX_SAFE_INTEGER : options.limit;
    const values: EncodedKeyValue[] = [];
    let count = 0;
    this.index.visit(range, revision, (entry, position) => {
      count += 1;
      if (values.length < limit) values.push(this.valueAt(entry, position));
      return true;
    });
    return { values, count };
  }

  /** The first values of a range, in key order, at the cost of these alone: nothing past them is counted. Throws COMPACTED or FUTURE_REVISION. */
  page(range: KeyRange, options: PageOptions): Page {
    this.checkReadable(options.revision);
    const values: EncodedKeyValue[] = [];
    let next: Key | undefined;
    this.index.visit(range, options.revision, (entry, position) => {
      if (values.length < options.limit) values.push(this.valueAt(entry, position));
      else next = entry.key;
      return next === undefined;
    });
    return { values, next };
  }

  /** The value of a change that is not a deletion. */
  valueAt(entry: KeyEntry, position: number): EncodedKeyValue {
    const isNewest = position === entry.history.length - 2;
    if (isNewest && entry.latest !== undefined) return entry.latest;
    const main = entry.history[position] as number;
    const row = this.backend.get("key", encodeRevision(main, subAt(entry, position)));
    invariant(row !== undefined, () => `revision ${main} is in the index but not in the backend`);
    if (isNewest) this.cache.set(entry, row);
    return row;
  }

  /** The value that `event` replaced, unless it is compacted away. */
  previousOf(event: KeyEvent): EncodedKeyValue | undefined {
    if (event.previousMain === 0) return undefined;
    return event.previous ?? this.backend.get("key", encodeRevision(event.previousMain, event.previousSub));
  }

  /**
   * The changes of revisions [from, last], in order, for watchers that are behind. Both at or above the compacted revision. `through` is
   * how far they go: `last`, or the revision with which `bytesMax` was reached.
   */
  eventsBetween(from: number, last: number, bytesMax: number): { readonly events: KeyEvent[]; readonly through: number } {
    const events: KeyEvent[] = [];
    let bytes = 0;
    for (let main = Math.max(from, initialRevision + 1); main <= last; main += 1) {
      for (let sub = 0; ; sub += 1) {
        const row = this.backend.get("key", encodeRevision(main, sub));
        if (row === undefined) break;
        events.push(this.#eventOf(row, main, sub));
        bytes += row.length;
      }
      if (bytes >= bytesMax) return { events, through: main };
    }
    return { events, through: last };
  }

  /** Used by WriteTransaction: makes its revision current. */
  commitRevision(main: number, bytesAdded: number): void {
    invariant(main === this.#currentRevision + 1, () => `revision ${main} follows ${this.#currentRevision}`);
    this.#currentRevision = main;
    this.#bytesInUse += bytesAdded;
  }

  /**
   * Makes revisions below `revision` unreadable. What that frees is dropped by {@link dropSome}. Throws COMPACTED when it was compacted
   * already, FUTURE_REVISION when it does not exist.
   */
  compact(revision: number): void {
    if (revision <= this.#compactRevision) throw new MvccError("COMPACTED");
    if (revision > this.#currentRevision) throw new MvccError("FUTURE_REVISION");
    this.#compactRevision = revision;
    this.backend.put("meta", scheduledCompactKey, encodeCounter(revision));
    this.#isDropping = true;
  }

  /** Deletes up to `limit` rows that compactions made unreachable. Returns whether there is more to do. */
  dropSome(limit: number): boolean {
    if (!this.#isDropping) return false;
    this.#isDropping = this.index.dropSome(this.#compactRevision, limit, ({ main, sub }) => {
      const key = encodeRevision(main, sub);
      const row = this.backend.get("key", key);
      if (row !== undefined) this.#bytesInUse -= rowBytes(row);
      this.backend.delete("key", key);
      this.counts.compactedRows += 1;
    });
    if (!this.#isDropping) {
      this.#finishedCompactRevision = this.#compactRevision;
      this.backend.put("meta", finishedCompactKey, encodeCounter(this.#finishedCompactRevision));
    }
    return this.#isDropping;
  }

  /**
   * Tells which rows count towards the hash at `revision`: every change after the compacted revision, an older one only while it is what its
   * key has at `revision`. So members agree whether or not they have dropped yet what a compaction freed. Where no key exists at `revision`,
   * what the compaction kept counts instead: etcd takes an empty set of kept revisions for no compaction at all.
   */
  hashedAt(revision: number): (main: number, row: EncodedKeyValue) => boolean {
    const compactRevision = this.#compactRevision;
    let seenAt = compactRevision;
    this.index.visit(everyKey, revision, () => {
      seenAt = revision;
      return false;
    });
    return (main, row) => {
      if (main > revision) return false;
      if (main > compactRevision) return true;
      if (isTombstone(row)) return false;
      const entry = this.index.get(keyFromBytes(decodeKey(row)));
      if (entry === undefined) return false;
      const position = findChange(entry, seenAt);
      return position >= 0 && entry.history[position] === main;
    };
  }

  #noteChange(entry: KeyEntry, change: { readonly createRevision: number; readonly version: number; readonly lease: bigint }): void {
    if (entry.lease !== 0n) this.leases.detach(entry.lease, entry.key);
    entry.createRevision = change.createRevision;
    entry.version = change.version;
    entry.lease = change.lease;
    if (entry.lease !== 0n) this.leases.attach(entry.lease, entry.key);
  }

  #eventOf(row: EncodedKeyValue, main: number, sub: number): KeyEvent {
    const keyBytes = decodeKey(row);
    const key = keyFromBytes(keyBytes);
    const isDeletion = isTombstone(row);
    const entry = this.index.get(key);
    const position = entry === undefined ? -1 : findChange(entry, main - 1);
    const hasPrevious = entry !== undefined && position >= 0 && !isDeletionAt(entry, position);
    return {
      type: isDeletion ? "delete" : "put",
      key,
      main,
      sub,
      value: isDeletion ? encodeDeletion(keyBytes, main) : row,
      previousMain: hasPrevious ? (entry.history[position] as number) : 0,
      previousSub: hasPrevious ? subAt(entry, position) : 0,
      previous: undefined,
    };
  }
}

/** What one stored row counts as. */
export function rowBytes(row: EncodedKeyValue): number {
  return row.length + revisionBytes;
}

function encodeCounter(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeUint64(bytes, 0, value);
  return bytes;
}
