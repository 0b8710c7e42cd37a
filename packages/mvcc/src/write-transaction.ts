// One change of the key space: any number of puts and deletions under one revision.
//
// T1. A key changes at most once in a transaction (callers reject duplicates before they begin).
// T2. Reads inside see what was written before them; everybody else sees all of it or nothing, since no other code runs in between.
// T3. There is no rollback: whatever can fail is checked before, or leaves nothing behind.
import { MvccError } from "./errors.js";
import { isDeletionAt, type KeyEntry, subAt } from "./key-entry.js";
import { type Key, type KeyRange, keyFromBytes, keyToBytes } from "./key-range.js";
import { type KeyEvent, type KeySpace, type RangeOptions, type RangeResult, rowBytes } from "./key-space.js";
import { decodeKeyValue, type EncodedKeyValue, encodeDeletion, encodeKeyValue, encodeTombstone } from "./key-value.js";
import { encodeRevision } from "./revision.js";

export interface PutInput {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** 0n for none. Must exist. */
  readonly lease: bigint;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
  /** Whether the value before is asked for. */
  readonly prevKv: boolean;
}

export interface Commit {
  /** The store's revision after the transaction, whether or not it changed something. */
  readonly revision: number;
  readonly events: readonly KeyEvent[];
}

export class WriteTransaction {
  readonly #events: KeyEvent[] = [];
  readonly #main: number;
  #bytesAdded = 0;

  constructor(private readonly space: KeySpace) {
    this.#main = space.currentRevision + 1;
  }

  /** Revision that a response given inside the transaction carries: the new one once something changed. */
  get revision(): number {
    return this.#events.length > 0 ? this.#main : this.#main - 1;
  }

  range(range: KeyRange, options: RangeOptions): RangeResult {
    return this.space.rangeUnchecked(range, options);
  }

  /** Throws, before anything changed, KEY_NOT_FOUND when what is to be kept does not exist, LEASE_NOT_FOUND. Returns the value before, if there was one, when it is asked for. */
  put(input: PutInput): EncodedKeyValue | undefined {
    const { index, leases, cache, backend } = this.space;
    const key = keyFromBytes(input.key);
    const before = index.get(key);
    const exists = before !== undefined && before.createRevision !== 0;
    if ((input.ignoreValue || input.ignoreLease) && !exists) throw new MvccError("KEY_NOT_FOUND");
    const lease = input.ignoreLease && exists ? before.lease : input.lease;
    if (lease !== 0n && leases.get(lease) === undefined) throw new MvccError("LEASE_NOT_FOUND");
    // Reading it may cost a look at the disk.
    const isWanted = input.prevKv || input.ignoreValue;
    const previous = exists ? (isWanted ? this.#newestValue(before) : before.latest) : undefined;
    const value = input.ignoreValue && previous !== undefined ? decodeKeyValue(previous).value : input.value;
    const createRevision = exists ? before.createRevision : this.#main;
    const version = exists ? before.version + 1 : 1;
    const encoded = encodeKeyValue({ key: input.key, value, createRevision, modRevision: this.#main, version, lease });
    const sub = this.#events.length;
    const previousAt = exists ? newestChange(before) : noChange;
    backend.put("key", encodeRevision(this.#main, sub), encoded);
    const entry = index.add(key, this.#main, sub, false);
    cache.set(entry, encoded);
    if (entry.lease !== lease) {
      if (entry.lease !== 0n) leases.detach(entry.lease, key);
      if (lease !== 0n) leases.attach(lease, key);
      entry.lease = lease;
    }
    entry.createRevision = createRevision;
    entry.version = version;
    this.#bytesAdded += rowBytes(encoded);
    this.#events.push({
      type: "put",
      key,
      main: this.#main,
      sub,
      value: encoded,
      previousMain: previousAt.main,
      previousSub: previousAt.sub,
      previous,
    });
    return previous;
  }

  /** Returns how many, and the values before, in key order, when they are asked for. */
  deleteRange(range: KeyRange, prevKv: boolean): { readonly deleted: number; readonly previous: EncodedKeyValue[] } {
    const entries: KeyEntry[] = [];
    this.space.index.visit(range, Number.MAX_SAFE_INTEGER, (entry) => {
      entries.push(entry);
      return true;
    });
    const previous = prevKv ? entries.map((entry) => this.#newestValue(entry)) : [];
    for (const entry of entries) this.#delete(entry);
    return { deleted: entries.length, previous };
  }

  /** Deletes the keys of a revoked lease. */
  deleteKeys(keys: readonly Key[]): void {
    for (const key of keys) this.deleteRange({ start: key, end: undefined }, false);
  }

  /** Makes the changes current. Call exactly once. */
  commit(): Commit {
    if (this.#events.length > 0) this.space.commitRevision(this.#main, this.#bytesAdded);
    return { revision: this.space.currentRevision, events: this.#events };
  }

  #delete(entry: KeyEntry): void {
    const { index, leases, cache, backend } = this.space;
    const previous = entry.latest;
    const previousAt = newestChange(entry);
    const sub = this.#events.length;
    const keyBytes = keyToBytes(entry.key);
    const tombstone = encodeTombstone(keyBytes);
    backend.put("key", encodeRevision(this.#main, sub), tombstone);
    index.add(entry.key, this.#main, sub, true);
    cache.forget(entry);
    if (entry.lease !== 0n) leases.detach(entry.lease, entry.key);
    entry.lease = 0n;
    entry.createRevision = 0;
    entry.version = 0;
    this.#bytesAdded += rowBytes(tombstone);
    const value = encodeDeletion(keyBytes, this.#main);
    this.#events.push({
      type: "delete",
      key: entry.key,
      main: this.#main,
      sub,
      value,
      previousMain: previousAt.main,
      previousSub: previousAt.sub,
      previous,
    });
  }

  #newestValue(entry: KeyEntry): EncodedKeyValue {
    return this.space.valueAt(entry, entry.history.length - 2);
  }
}

const noChange = { main: 0, sub: 0 };

function newestChange(entry: KeyEntry): { readonly main: number; readonly sub: number } {
  const position = entry.history.length - 2;
  if (isDeletionAt(entry, position)) return noChange;
  return { main: entry.history[position] as number, sub: subAt(entry, position) };
}
