// Member IDs as varints. They are 64 bits long and few, and each message names two: their bytes are kept rather than made from a bigint.
import type { Cursor } from "./wire-cursor.js";

/** More than any cluster has; past that, all are learnt anew. */
const knownMax = 64;

interface Known {
  readonly id: bigint;
  readonly bytes: Uint8Array;
}

const known: Known[] = [];

/** With its tag; 0 is left out. */
export const sizeOfID = (id: bigint): number => (id === 0n ? 0 : 1 + bytesOf(id).length);

/** Returns where it ends. */
export function writeID(bytes: Buffer, at: number, field: number, id: bigint): number {
  if (id === 0n) return at;
  const own = bytesOf(id);
  bytes[at] = field;
  for (let index = 0; index < own.length; index += 1) bytes[at + 1 + index] = own[index] as number;
  return at + 1 + own.length;
}

/** Throws RangeError for a varint that is cut off. */
export function readID(cursor: Cursor): bigint {
  for (const { id, bytes } of known) {
    let same = 0;
    while (same < bytes.length && cursor.bytes[cursor.at + same] === bytes[same]) same += 1;
    if (same < bytes.length) continue;
    cursor.at += same;
    return id;
  }
  const start = cursor.at;
  cursor.skipVarint();
  const bytes = Uint8Array.from(cursor.bytes.subarray(start, cursor.at));
  if ((bytes.at(-1) ?? 0x80) >= 0x80) throw new RangeError("it ends within a number");
  let id = 0n;
  for (let at = bytes.length - 1; at >= 0; at -= 1) id = (id << 7n) | BigInt((bytes[at] as number) & 0x7f);
  if (id >= 1n << 64n) throw new RangeError("a member ID has more than 64 bits");
  // Only what is written the shortest way is kept: that is what equal IDs have in common.
  if (bytes.at(-1) !== 0) remember({ id, bytes });
  return id;
}

function bytesOf(id: bigint): Uint8Array {
  for (const each of known) if (each.id === id) return each.bytes;
  const bytes: number[] = [];
  let rest = id;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  const made = { id, bytes: Uint8Array.from(bytes) };
  remember(made);
  return made.bytes;
}

function remember(one: Known): void {
  if (known.length >= knownMax) known.length = 0;
  known.push(one);
}
