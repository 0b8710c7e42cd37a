// How consecutive log entries stand in one row: the engine costs by the row, and what arrives during one fsync arrives together.
//
// Layout of a row's value, an entry after the other: term (8 bytes), type (1), length of the data (4), data. The key has the first index.
import type { Entry, EntryType } from "@lenj/raft";
import { StoreError } from "../../core/errors.js";

const entryPrefix = 0x65;
const entryHeaderBytes = 13;
/** From here on a further row is begun: what is read, checked and cut is a row at a time. */
const rowBytesMax = 256 * 1024;
const entryTypes: readonly EntryType[] = ["normal", "confChange"];

export interface LogRow {
  /** Of its first entry. */
  readonly index: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** `entries` are consecutive. */
export function encodeRows(entries: readonly Entry[]): LogRow[] {
  const rows: LogRow[] = [];
  for (let from = 0; from < entries.length; ) {
    let [to, size] = [from, 0];
    while (to < entries.length && (to === from || size < rowBytesMax)) size += entryHeaderBytes + (entries[to++] as Entry).data.length;
    const { index } = entries[from] as Entry;
    rows.push({ index, key: rowKey(index), value: encodeEntries(entries, { from, to, size }) });
    from = to;
  }
  return rows;
}

/** Throws DATA_DAMAGED. */
export function decodeRow(key: Buffer, value: Buffer): Entry[] {
  const first = indexOfRow(key);
  const entries: Entry[] = [];
  for (let at = 0; at < value.length; ) {
    const index = first + entries.length;
    const type = entryTypes[value[at + 8] ?? -1];
    const end = value.length - at < entryHeaderBytes ? value.length + 1 : at + entryHeaderBytes + value.readUInt32BE(at + 9);
    if (type === undefined || end > value.length)
      throw new StoreError("DATA_DAMAGED", `Cannot decode log entry ${index}: unknown type ${value[at + 8]}, or it ends early`);
    entries.push({ term: Number(value.readBigUInt64BE(at)), index, type, data: value.subarray(at + entryHeaderBytes, end) });
    at = end;
  }
  return entries;
}

export const indexOfRow = (key: Buffer): number => Number(key.readBigUInt64BE(1));

export function rowKey(index: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = entryPrefix;
  key.writeUInt32BE(Math.floor(index / 0x1_0000_0000), 1);
  key.writeUInt32BE(index >>> 0, 5);
  return key;
}

/** All rows stand below it. */
export const rowsEnd: Uint8Array = Uint8Array.of(entryPrefix + 1);

function encodeEntries(entries: readonly Entry[], part: { readonly from: number; readonly to: number; readonly size: number }): Buffer {
  const bytes = Buffer.allocUnsafe(part.size);
  let at = 0;
  for (let position = part.from; position < part.to; position += 1) {
    const { term, type, data } = entries[position] as Entry;
    bytes.writeUInt32BE(Math.floor(term / 0x1_0000_0000), at);
    bytes.writeUInt32BE(term >>> 0, at + 4);
    bytes[at + 8] = entryTypes.indexOf(type);
    bytes.writeUInt32BE(data.length, at + 9);
    bytes.set(data, at + entryHeaderBytes);
    at += entryHeaderBytes + data.length;
  }
  return bytes;
}
