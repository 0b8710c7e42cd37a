// Frames of the peer stream (lenj.raft.v1.PeerFrame) as bytes, and back.
//
// Only log entries are written and read here field by field: they are nearly all that goes between members, and each of them goes to every
// peer. The rest of a message is the generated code's.
// F1. What is read back keeps views of the frame's bytes: who keeps an entry keeps the frame.
import { sizeOfVarint, writeVarint } from "@lenj/mvcc";
import { type Hello, PeerFrame, EntryType as WireEntryType, Message as WireMessageCodec } from "@lenj/proto/raft";
import type { Entry, Message } from "@lenj/raft";
import { StoreError } from "../../core/errors.js";
import { decodeMessage, encodeMessage } from "./message-codec.js";

/** Field numbers and wire types, as they stand in proto/raft/raft.proto. */
const tag = { batch: 0x12, message: 0x0a, entries: 0x3a, type: 0x08, term: 0x10, index: 0x18, data: 0x22 } as const;
const noEntries: readonly Entry[] = [];

/** Messages of one turn. */
export function encodeBatch(messages: readonly Message[]): Buffer {
  const parts = messages.map((message) => {
    const entries = "entries" in message ? message.entries : noEntries;
    const head = WireMessageCodec.encode(
      encodeMessage(entries.length === 0 ? message : ({ ...message, entries: noEntries } as Message)),
    ).finish();
    let size = head.length;
    for (const entry of entries) size += sizeOfField(sizeOfEntry(entry));
    return { head, entries, size };
  });
  const batchSize = parts.reduce((sum, { size }) => sum + sizeOfField(size), 0);
  const bytes = Buffer.allocUnsafe(sizeOfField(batchSize));
  let at = writeField(bytes, 0, tag.batch, batchSize);
  for (const { head, entries, size } of parts) {
    at = writeField(bytes, at, tag.message, size);
    bytes.set(head, at);
    at += head.length;
    for (const entry of entries) at = writeEntry(bytes, at, entry);
  }
  return bytes;
}

export function encodeHello(hello: Hello): Buffer {
  return Buffer.from(PeerFrame.encode({ frame: { $case: "hello", value: hello } }).finish());
}

export type ReceivedFrame = { readonly sizeBytes: number } & (
  | { readonly hello: Hello; readonly messages?: never }
  | { readonly messages: readonly Message[]; readonly hello?: never }
);

/** Throws DATA_DAMAGED for what is no frame. */
export function decodeFrame(bytes: Buffer): ReceivedFrame {
  const sizeBytes = bytes.length;
  try {
    if (bytes[0] !== tag.batch) {
      const { frame } = PeerFrame.decode(bytes);
      if (frame?.$case === "hello") return { hello: frame.value, sizeBytes };
      return { messages: frame === undefined ? [] : frame.value.messages.map(decodeMessage), sizeBytes };
    }
    const cursor = new Cursor(bytes, 1, bytes.length);
    const end = cursor.enter();
    if (end !== bytes.length) throw new RangeError("something follows the batch");
    const messages: Message[] = [];
    while (cursor.at < end) {
      if (bytes[cursor.at++] !== tag.message) throw new RangeError(`unknown field ${bytes[cursor.at - 1]} of a batch`);
      messages.push(readMessage(bytes, cursor));
    }
    return { messages, sizeBytes };
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError("DATA_DAMAGED", `Cannot decode peer frame: ${(error as Error).message}`, { cause: error });
  }
}

/** Entries come last, as encodeBatch writes them; any other order is the generated code's affair. */
function readMessage(bytes: Buffer, cursor: Cursor): Message {
  const end = cursor.enter();
  const start = cursor.at;
  while (cursor.at < end && bytes[cursor.at] !== tag.entries) cursor.skip();
  const head = bytes.subarray(start, cursor.at);
  const entries: Entry[] = [];
  while (cursor.at < end && bytes[cursor.at] === tag.entries) {
    cursor.at += 1;
    entries.push(readEntry(bytes, cursor));
  }
  if (cursor.at !== end) {
    cursor.at = end;
    return decodeMessage(WireMessageCodec.decode(bytes.subarray(start, end)));
  }
  const message = decodeMessage(WireMessageCodec.decode(head));
  return entries.length === 0 ? message : ({ ...message, entries } as Message);
}

function readEntry(bytes: Buffer, cursor: Cursor): Entry {
  const end = cursor.enter();
  let [type, term, index, data] = [0, 0, 0, bytes.subarray(end, end)];
  while (cursor.at < end) {
    switch (bytes[cursor.at]) {
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
      case tag.data: {
        cursor.at += 1;
        const until = cursor.enter();
        data = bytes.subarray(cursor.at, until);
        cursor.at = until;
        break;
      }
      default:
        cursor.skip();
    }
  }
  return { type: type === WireEntryType.ENTRY_TYPE_NORMAL ? "normal" : "confChange", term, index, data };
}

function sizeOfEntry({ type, term, index, data }: Entry): number {
  return (
    (type === "normal" ? 0 : 2) +
    (term === 0 ? 0 : 1 + sizeOfVarint(term)) +
    (index === 0 ? 0 : 1 + sizeOfVarint(index)) +
    (data.length === 0 ? 0 : sizeOfField(data.length))
  );
}

function writeEntry(bytes: Buffer, from: number, entry: Entry): number {
  const { type, term, index, data } = entry;
  let at = writeField(bytes, from, tag.entries, sizeOfEntry(entry));
  if (type !== "normal") at = writeField(bytes, at, tag.type, WireEntryType.ENTRY_TYPE_CONF_CHANGE_V2);
  if (term !== 0) at = writeField(bytes, at, tag.term, term);
  if (index !== 0) at = writeField(bytes, at, tag.index, index);
  if (data.length === 0) return at;
  at = writeField(bytes, at, tag.data, data.length);
  bytes.set(data, at);
  return at + data.length;
}

/** A tag and the number after it: a field's value, or how long it is. */
function writeField(bytes: Buffer, at: number, field: number, value: number): number {
  bytes[at] = field;
  return writeVarint(bytes, at + 1, value);
}

/** Of a field of this many bytes: tag, length and itself. */
const sizeOfField = (length: number): number => 1 + sizeOfVarint(length) + length;

class Cursor {
  constructor(
    private readonly bytes: Buffer,
    public at: number,
    private readonly end: number,
  ) {}

  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      if (this.at >= this.end) throw new RangeError("it ends within a number");
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  /** Reads a length; returns where what it belongs to ends. */
  enter(): number {
    const length = this.number();
    if (length > this.end - this.at) throw new RangeError("it ends within a field");
    return this.at + length;
  }

  /** Over a field, whatever it is. */
  skip(): void {
    const wireType = this.number() & 7;
    if (wireType === 0) this.number();
    else if (wireType === 1) this.at += 8;
    else if (wireType === 2) this.at = this.enter();
    else if (wireType === 5) this.at += 4;
    else throw new RangeError(`unknown wire type ${wireType}`);
    if (this.at > this.end) throw new RangeError("it ends within a field");
  }
}
