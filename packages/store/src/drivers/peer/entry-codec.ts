// Log entries (lenj.raft.v1.Entry) as bytes, and back.
import { EntryType as WireEntryType } from "@lenj/proto/raft";
import type { Entry } from "@lenj/raft";
import { type Cursor, sizeOfField, sizeOfNumber, writeField, writeNumber } from "./wire-cursor.js";

/** Field numbers and wire types, as they stand in proto/raft/raft.proto. */
const tag = { type: 0x08, term: 0x10, index: 0x18, data: 0x22 } as const;

export function sizeOfEntry({ type, term, index, data }: Entry): number {
  return (type === "normal" ? 0 : 2) + sizeOfNumber(term) + sizeOfNumber(index) + (data.length === 0 ? 0 : sizeOfField(data.length));
}

/** Returns where it ends. */
export function writeEntry(bytes: Buffer, from: number, { type, term, index, data }: Entry): number {
  let at = from;
  if (type !== "normal") at = writeField(bytes, at, tag.type, WireEntryType.ENTRY_TYPE_CONF_CHANGE_V2);
  at = writeNumber(bytes, at, tag.term, term);
  at = writeNumber(bytes, at, tag.index, index);
  if (data.length === 0) return at;
  at = writeField(bytes, at, tag.data, data.length);
  bytes.set(data, at);
  return at + data.length;
}

/** Its data is a view of the cursor's bytes. Throws RangeError for what is cut off. */
export function readEntry(cursor: Cursor): Entry {
  const end = cursor.enter();
  let [type, term, index] = [0, 0, 0];
  let data: Buffer | undefined;
  while (cursor.at < end) {
    switch (cursor.bytes[cursor.at]) {
      case tag.type:
        cursor.at += 1;
        type = cursor.number();
        break;
      case tag.term:
        cursor.at += 1;
        term = cursor.number();
        break;
      case tag.index:
        cursor.at += 1;
        index = cursor.number();
        break;
      case tag.data:
        cursor.at += 1;
        data = cursor.view();
        break;
      default:
        cursor.skip();
    }
  }
  if (cursor.at !== end) throw new RangeError("an entry ends within a field");
  data ??= cursor.bytes.subarray(end, end);
  return { type: type === WireEntryType.ENTRY_TYPE_NORMAL ? "normal" : "confChange", term, index, data };
}
