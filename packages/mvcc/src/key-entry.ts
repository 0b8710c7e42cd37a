// The revisions at which one key changed.
//
// E1. `history` holds pairs [main, sub], oldest first; a deletion has sub stored as -1 - sub.
// E2. `createRevision`, `version` and `lease` describe the newest change; createRevision 0 means that it is a deletion.
// Source: etcd's keyIndex and its generations, flattened: what a generation says is in the stored KeyValue.

import type { Key } from "./key-range.js";
import type { EncodedKeyValue } from "./key-value.js";

export interface KeyEntry {
  readonly key: Key;
  readonly history: number[];
  createRevision: number;
  version: number;
  lease: bigint;
  /** The newest value while it is cached, and the slot that stands for it; see ValueCache. */
  latest: EncodedKeyValue | undefined;
  cacheSlot: number;
}

export function createKeyEntry(key: Key): KeyEntry {
  return { key, history: [], createRevision: 0, version: 0, lease: 0n, latest: undefined, cacheSlot: -1 };
}

/** Position in `history` of the newest change at or below `revision`; -1 when there is none. A deletion counts as a change. */
export function findChange(entry: KeyEntry, revision: number): number {
  const { history } = entry;
  let position = history.length - 2;
  // The newest version is what is asked for nearly always, and histories are short between compactions.
  if (position >= 16 && (history[position] as number) > revision) {
    let low = 0;
    let high = position / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((history[middle * 2] as number) <= revision) low = middle + 1;
      else high = middle;
    }
    return (low - 1) * 2;
  }
  while (position >= 0 && (history[position] as number) > revision) position -= 2;
  return position;
}

export function isDeletionAt(entry: KeyEntry, position: number): boolean {
  return (entry.history[position + 1] as number) < 0;
}

export function subAt(entry: KeyEntry, position: number): number {
  const sub = entry.history[position + 1] as number;
  return sub < 0 ? -1 - sub : sub;
}
