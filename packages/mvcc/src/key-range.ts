// Keys and ranges of keys inside the key space.
//
// A key is held as a latin-1 string: one character a byte, so that string order is byte order, maps and trees compare without copying,
// and a short key costs less than half of a Buffer. Conversions happen at the edge, in this file only.

/** A key's bytes, one character each. */
export type Key = string;

/** Greater than every key: keys hold characters up to U+00FF. */
export const endOfKeys: Key = "\u0100";

export function keyFromBytes(bytes: Uint8Array): Key {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

export function keyToBytes(key: Key): Buffer {
  return Buffer.from(key, "latin1");
}

/** One key (`end` undefined), or the half-open interval [start, end). */
export interface KeyRange {
  readonly start: Key;
  readonly end: Key | undefined;
}

/** etcd's conventions: an empty end names one key, an end of one zero byte means "to the last key". */
export function keyRangeFromWire(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  const start = keyFromBytes(key);
  if (rangeEnd.length === 0) return { start, end: undefined };
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { start, end: endOfKeys };
  return { start, end: keyFromBytes(rangeEnd) };
}

export function isInRange(range: KeyRange, key: Key): boolean {
  return range.end === undefined ? key === range.start : key >= range.start && key < range.end;
}

/** True when no key can be in the range. */
export function isEmptyRange(range: KeyRange): boolean {
  return range.end !== undefined && range.end <= range.start;
}
