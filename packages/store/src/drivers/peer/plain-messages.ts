// The messages of nearly all traffic, as bytes and back without the generated code: appends, proposals, heartbeats, read points, and what
// answers them. Votes, snapshots and hand-overs are the generated code's.
// P1. Bytes are those of lenj.raft.v1.Message; the entries come last. They are read in any order.
// P2. Fields that a newer version may have added are passed over, as the generated code does.
import { MessageType } from "@lenj/proto/raft";
import type { Entry, Message } from "@lenj/raft";
import { readEntry, sizeOfEntry, writeEntry } from "./entry-codec.js";
import { readID, sizeOfID, writeID } from "./member-id-codec.js";
import { type Cursor, sizeOfField, sizeOfNumber, writeField, writeNumber } from "./wire-cursor.js";

export type PlainMessage = Extract<
  Message,
  { readonly type: "prop" | "app" | "appResp" | "heartbeat" | "heartbeatResp" | "readIndex" | "readIndexResp" }
>;

/** Field numbers and wire types, as they stand in proto/raft/raft.proto. */
const tag = {
  type: 0x08,
  to: 0x10,
  from: 0x18,
  term: 0x20,
  logTerm: 0x28,
  index: 0x30,
  entries: 0x3a,
  commit: 0x40,
  reject: 0x50,
  rejectHint: 0x58,
  context: 0x62,
  round: 0x68,
} as const;

const wireTypes: Readonly<Record<PlainMessage["type"], MessageType>> = {
  prop: MessageType.MESSAGE_TYPE_PROP,
  app: MessageType.MESSAGE_TYPE_APP,
  appResp: MessageType.MESSAGE_TYPE_APP_RESP,
  heartbeat: MessageType.MESSAGE_TYPE_HEARTBEAT,
  heartbeatResp: MessageType.MESSAGE_TYPE_HEARTBEAT_RESP,
  readIndex: MessageType.MESSAGE_TYPE_READ_INDEX,
  readIndexResp: MessageType.MESSAGE_TYPE_READ_INDEX_RESP,
};
const noEntries: readonly Entry[] = [];
const noBytes = Buffer.alloc(0);

/** What a message has besides its envelope, for all types alike: one shape, so that one piece of code writes them all. */
interface Fields {
  logTerm: number;
  index: number;
  commit: number;
  reject: boolean;
  rejectHint: number;
  round: number;
  context: Uint8Array;
  entries: readonly Entry[];
}

export function isPlain(message: Message): message is PlainMessage {
  return message.type in wireTypes;
}

export function sizeOfPlain(message: PlainMessage): number {
  const { logTerm, index, commit, reject, rejectHint, round, context, entries } = fieldsOf(message);
  let size =
    sizeOfNumber(wireTypes[message.type]) +
    sizeOfID(message.to) +
    sizeOfID(message.from) +
    sizeOfNumber(message.term) +
    sizeOfNumber(logTerm) +
    sizeOfNumber(index) +
    sizeOfNumber(commit) +
    (reject ? 2 : 0) +
    sizeOfNumber(rejectHint) +
    (context.length === 0 ? 0 : sizeOfField(context.length)) +
    sizeOfNumber(round);
  for (const entry of entries) size += sizeOfField(sizeOfEntry(entry));
  return size;
}

/** Returns where it ends. */
export function writePlain(bytes: Buffer, from: number, message: PlainMessage): number {
  const { logTerm, index, commit, reject, rejectHint, round, context, entries } = fieldsOf(message);
  let at = writeNumber(bytes, from, tag.type, wireTypes[message.type]);
  at = writeID(bytes, at, tag.to, message.to);
  at = writeID(bytes, at, tag.from, message.from);
  at = writeNumber(bytes, at, tag.term, message.term);
  at = writeNumber(bytes, at, tag.logTerm, logTerm);
  at = writeNumber(bytes, at, tag.index, index);
  at = writeNumber(bytes, at, tag.commit, commit);
  if (reject) at = writeField(bytes, at, tag.reject, 1);
  at = writeNumber(bytes, at, tag.rejectHint, rejectHint);
  if (context.length > 0) {
    at = writeField(bytes, at, tag.context, context.length);
    bytes.set(context, at);
    at += context.length;
  }
  at = writeNumber(bytes, at, tag.round, round);
  for (const entry of entries) at = writeEntry(bytes, writeField(bytes, at, tag.entries, sizeOfEntry(entry)), entry);
  return at;
}

/** Throws RangeError for what is cut off. Undefined: it is none of these. */
export function readPlain(cursor: Cursor, end: number): PlainMessage | undefined {
  const fields: Fields = { ...nothing };
  const entries: Entry[] = [];
  let [type, to, from, term] = [0, 0n, 0n, 0];
  while (cursor.at < end) {
    switch (cursor.bytes[cursor.at++]) {
      case tag.type:
        type = cursor.number();
        break;
      case tag.to:
        to = readID(cursor);
        break;
      case tag.from:
        from = readID(cursor);
        break;
      case tag.term:
        term = cursor.number();
        break;
      case tag.logTerm:
        fields.logTerm = cursor.number();
        break;
      case tag.index:
        fields.index = cursor.number();
        break;
      case tag.entries:
        entries.push(readEntry(cursor));
        break;
      case tag.commit:
        fields.commit = cursor.number();
        break;
      case tag.reject:
        fields.reject = cursor.number() !== 0;
        break;
      case tag.rejectHint:
        fields.rejectHint = cursor.number();
        break;
      case tag.context:
        fields.context = cursor.view();
        break;
      case tag.round:
        fields.round = cursor.number();
        break;
      default:
        cursor.at -= 1;
        cursor.skip();
    }
  }
  if (cursor.at !== end) throw new RangeError("a message ends within a field");
  fields.entries = entries;
  return plainMessage(type, to, from, term, fields);
}

function plainMessage(wireType: number, to: bigint, from: bigint, term: number, fields: Fields): PlainMessage | undefined {
  const { logTerm, index, commit, reject, rejectHint, round, context, entries } = fields;
  switch (wireType) {
    case MessageType.MESSAGE_TYPE_PROP:
      return { from, to, term, type: "prop", entries };
    case MessageType.MESSAGE_TYPE_APP:
      return { from, to, term, type: "app", index, logTerm, entries, commit };
    case MessageType.MESSAGE_TYPE_APP_RESP:
      return { from, to, term, type: "appResp", index, reject, rejectHint, logTerm };
    case MessageType.MESSAGE_TYPE_HEARTBEAT:
      return { from, to, term, type: "heartbeat", commit, round };
    case MessageType.MESSAGE_TYPE_HEARTBEAT_RESP:
      return { from, to, term, type: "heartbeatResp", round };
    case MessageType.MESSAGE_TYPE_READ_INDEX:
      return { from, to, term, type: "readIndex", context };
    case MessageType.MESSAGE_TYPE_READ_INDEX_RESP:
      return { from, to, term, type: "readIndexResp", context, index };
    default:
      return undefined;
  }
}

const nothing: Readonly<Fields> = {
  logTerm: 0,
  index: 0,
  commit: 0,
  reject: false,
  rejectHint: 0,
  round: 0,
  context: noBytes,
  entries: noEntries,
};

function fieldsOf(message: PlainMessage): Readonly<Fields> {
  const fields: Fields = { ...nothing };
  switch (message.type) {
    case "prop":
      fields.entries = message.entries;
      break;
    case "app":
      fields.index = message.index;
      fields.logTerm = message.logTerm;
      fields.entries = message.entries;
      fields.commit = message.commit;
      break;
    case "appResp":
      fields.index = message.index;
      fields.reject = message.reject;
      fields.rejectHint = message.rejectHint;
      fields.logTerm = message.logTerm;
      break;
    case "heartbeat":
      fields.commit = message.commit;
      fields.round = message.round;
      break;
    case "heartbeatResp":
      fields.round = message.round;
      break;
    case "readIndex":
      fields.context = message.context;
      break;
    case "readIndexResp":
      fields.context = message.context;
      fields.index = message.index;
      break;
  }
  return fields;
}
