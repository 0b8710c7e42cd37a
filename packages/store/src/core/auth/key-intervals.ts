import { endOfKeys, type Key, type KeyRange, keyRangeFromWire } from "@lenj/mvcc";

interface Interval {
  readonly start: Key;
  /** Exclusive. */
  readonly end: Key;
}

/**
 * A set of keys as disjoint intervals in order. Intervals that touch are one, so that a range is covered also by several permissions
 * that complete each other. A single key is the interval from it to its successor.
 */
export class KeyIntervals {
  readonly #intervals: readonly Interval[];

  constructor(ranges: readonly KeyRange[]) {
    const sorted = ranges.map(intervalOf).sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
    const merged: Interval[] = [];
    for (const interval of sorted) {
      const last = merged.at(-1);
      if (last === undefined || interval.start > last.end) merged.push(interval);
      else if (interval.end > last.end) merged[merged.length - 1] = { start: last.start, end: interval.end };
    }
    this.#intervals = merged;
  }

  /** True when every key of the range is in the set. A range without keys is covered only inside one of the intervals. */
  covers(range: KeyRange): boolean {
    const { start, end } = intervalOf(range);
    const candidate = this.#lastStartingAtOrBefore(start);
    return candidate !== undefined && start < candidate.end && end <= candidate.end && end > candidate.start;
  }

  #lastStartingAtOrBefore(key: Key): Interval | undefined {
    let low = 0;
    let high = this.#intervals.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#intervals[middle] as Interval).start <= key) low = middle + 1;
      else high = middle;
    }
    return this.#intervals[low - 1];
  }
}

function intervalOf({ start, end }: KeyRange): Interval {
  return { start, end: end ?? `${start}\u0000` };
}

/** What a permission may name: a key, a range that holds something, or everything from a key on. */
export function isValidPermissionRange(key: Uint8Array, rangeEnd: Uint8Array): boolean {
  if (key.length === 0) return false;
  const { start, end } = keyRangeFromWire(key, rangeEnd);
  return end === undefined || end === endOfKeys || start < end;
}
