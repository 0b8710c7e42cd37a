// A state's rows as a stream that can go on from any row.
//
// T1. Checksum and size are those of all rows in key order, however they are cut into chunks. Where a transfer goes on is a fact about rows
//     that are on the receiver's disk, not a number that somebody kept beside them.
// T2. The sender goes on only where the receiver's rows have the checksum of its own up to the same key; otherwise from the beginning.
import { crc32 } from "node:zlib";
import type { SnapshotChunk, StatePosition } from "@lenj/proto/raft";
import type { LevelBackend } from "../level/level-backend.js";
import type { HeldState } from "./held-states.js";

export type StateRows = readonly (readonly [key: Uint8Array, value: Uint8Array])[];

export const stateBegin: StatePosition = { sizeBytes: 0, crc32: 0, lastKey: Buffer.alloc(0) };

/** One chunk of rows: for each, key length and value length in four bytes each, then both. */
export function encodeRows(rows: StateRows): Buffer {
  return Buffer.concat(
    rows.flatMap(([key, value]) => {
      const head = Buffer.alloc(8);
      head.writeUInt32BE(key.length, 0);
      head.writeUInt32BE(value.length, 4);
      return [head, key, value];
    }),
  );
}

/** Throws RangeError for what is no chunk of whole rows. */
export function decodeRows(chunk: Buffer): (readonly [key: Buffer, value: Buffer])[] {
  const rows: (readonly [Buffer, Buffer])[] = [];
  for (let at = 0; at < chunk.length; ) {
    const valueAt = at + 8 + chunk.readUInt32BE(at);
    const end = valueAt + chunk.readUInt32BE(at + 4);
    if (end > chunk.length) throw new RangeError("it ends within a row");
    rows.push([chunk.subarray(at + 8, valueAt), chunk.subarray(valueAt, end)]);
    at = end;
  }
  return rows;
}

export function advance({ sizeBytes, crc32: crc, lastKey }: StatePosition, rows: StateRows, encoded = encodeRows(rows)): StatePosition {
  return { sizeBytes: sizeBytes + encoded.length, crc32: crc32(encoded, crc), lastKey: Buffer.from(rows.at(-1)?.[0] ?? lastKey) };
}

export function isSamePosition(one: StatePosition, other: StatePosition): boolean {
  return one.sizeBytes === other.sizeBytes && one.crc32 === other.crc32 && one.lastKey.equals(other.lastKey);
}

/** Where to go on for a receiver that says it holds the rows through `claimed`. */
export async function resumePosition(
  backend: LevelBackend,
  { view }: HeldState,
  claimed: StatePosition,
  signal: AbortSignal,
): Promise<StatePosition> {
  if (claimed.sizeBytes === 0) return stateBegin;
  let position = stateBegin;
  for await (const rows of backend.allRows({ view })) {
    signal.throwIfAborted();
    const shared = rows.filter(([key]) => Buffer.compare(key, claimed.lastKey) <= 0);
    if (shared.length > 0) position = advance(position, shared);
    if (shared.length < rows.length || position.sizeBytes > claimed.sizeBytes) break;
  }
  return isSamePosition(position, claimed) ? position : stateBegin;
}

/** Where it goes on, every row after that, the trailer. */
export async function* stateChunks(
  backend: LevelBackend,
  { view }: HeldState,
  begin: StatePosition,
): AsyncGenerator<SnapshotChunk, void, undefined> {
  let position = begin;
  yield { chunk: { $case: "begin", value: begin } };
  for await (const rows of backend.allRows({ view, after: begin.lastKey })) {
    if (rows.length === 0) continue;
    const data = encodeRows(rows);
    position = advance(position, rows, data);
    yield { chunk: { $case: "data", value: data } };
  }
  yield { chunk: { $case: "trailer", value: { sizeBytes: position.sizeBytes, crc32: position.crc32 } } };
}
