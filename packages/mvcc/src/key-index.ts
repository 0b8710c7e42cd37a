// Which keys exist and when they changed, in memory.
//
// Owns:  one KeyEntry a key, ordered by key; the list of changes that a compaction may drop.
// Not:   values (backend, value cache), revision counting (key space).
// I1. Every stored revision of the `key` table has exactly one pair in one entry's history, and the other way round.
// I2. `#superseded` lists, in the order it happened, each change that a later change of the same key replaced; `#deletions` each
//     deletion. Together they are all that compactions will ever drop, so a compaction costs what it drops, not what it keeps.
// Source: etcd server/storage/mvcc/index.go (treeIndex); the lists replace its full scan.
import { invariant } from "@lenj/base";
import { DropList } from "./drop-list.js";
import { createKeyEntry, findChange, isDeletionAt, type KeyEntry, subAt } from "./key-entry.js";
import type { Key, KeyRange } from "./key-range.js";
import { createOrderedKeys } from "./ordered-keys.js";

/** A change that a compaction dropped from the index; its row is to be deleted from the backend. */
export interface DroppedChange {
  readonly main: number;
  readonly sub: number;
}

export class KeyIndex {
  readonly #tree = createOrderedKeys<KeyEntry>();
  readonly #superseded = new DropList();
  readonly #deletions = new DropList();

  get size(): number {
    return this.#tree.size;
  }

  get(key: Key): KeyEntry | undefined {
    return this.#tree.get(key);
  }

  /** Adds a change at a revision newer than all others of the key; `isDeletion` requires that the key exists. */
  add(key: Key, main: number, sub: number, isDeletion: boolean): KeyEntry {
    let entry = this.#tree.get(key);
    if (entry === undefined) {
      entry = createKeyEntry(key);
      this.#tree.set(key, entry);
    }
    const { history } = entry;
    const last = history.length - 2;
    if (last >= 0 && !isDeletionAt(entry, last)) this.#superseded.push(main, entry, history[last] as number);
    if (isDeletion) this.#deletions.push(main, entry, main);
    history.push(main, isDeletion ? -1 - sub : sub);
    return entry;
  }

  /** Calls `visit` for each key of `range` that exists at `revision`, in order, with the position of its change; stops when told false. */
  visit(range: KeyRange, revision: number, visit: (entry: KeyEntry, position: number) => boolean): void {
    if (range.end === undefined) {
      const entry = this.#tree.get(range.start);
      if (entry !== undefined) visitIfAlive(entry, revision, visit);
      return;
    }
    if (range.end <= range.start) return;
    this.#tree.forRange(range.start, range.end, false, (_key, entry) =>
      visitIfAlive(entry, revision, visit) ? undefined : { break: true },
    );
  }

  /**
   * Drops up to `limit` changes that nothing at or above `compactRevision` can see, and calls `onDrop` for each. Returns false when none is
   * left. A deletion exactly at `compactRevision` stays, since a watch may start there.
   */
  dropSome(compactRevision: number, limit: number, onDrop: (change: DroppedChange) => void): boolean {
    let rest = limit;
    for (; rest > 0 && this.#superseded.firstAt <= compactRevision; rest -= 1) this.#drop(this.#superseded, onDrop);
    for (; rest > 0 && this.#deletions.firstAt < compactRevision; rest -= 1) this.#drop(this.#deletions, onDrop);
    return this.#superseded.firstAt <= compactRevision || this.#deletions.firstAt < compactRevision;
  }

  #drop(list: DropList, onDrop: (change: DroppedChange) => void): void {
    const { entry, main } = list.shift();
    const { history } = entry;
    let position = 0;
    while (history[position] !== main) {
      position += 2;
      invariant(position < history.length, () => `revision ${main} of a key is not in its history`);
    }
    onDrop({ main, sub: subAt(entry, position) });
    history.splice(position, 2);
    if (history.length === 0) this.#tree.delete(entry.key);
  }
}

function visitIfAlive(entry: KeyEntry, revision: number, visit: (entry: KeyEntry, position: number) => boolean): boolean {
  const position = findChange(entry, revision);
  if (position < 0 || isDeletionAt(entry, position)) return true;
  return visit(entry, position);
}
