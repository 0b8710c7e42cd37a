// Answers as etcd's response messages, key-value pairs copied in the encoding that they already have.
// Field numbers are those of proto/etcd/rpc.proto and kv.proto.
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type EncodedKeyValue, type KeyEvent, sizeOfVarint, writeVarint } from "@lenj/mvcc";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { DeleteRangeAnswer, OpAnswer, PutAnswer, RangeAnswer, TxnAnswer } from "../core/answers.js";

export type Header = etcdserverpb.ResponseHeader;

const lengthDelimited = (field: number): number => field * 8 + 2;
const varint = (field: number): number => field * 8;

export function encodeRange(answer: RangeAnswer, header: Header): Buffer {
  const writer = start(header);
  for (const value of answer.values) writer.uint32(lengthDelimited(2)).bytes(value);
  if (answer.more) writer.uint32(varint(3)).bool(true);
  if (answer.count !== 0) writer.uint32(varint(4)).int64(answer.count);
  return finish(writer);
}

/** RangeStreamResponse. Only the last chunk of a stream has a header, and says how many there are. */
export function encodeRangeChunk(
  values: readonly EncodedKeyValue[],
  last: { readonly answer: RangeAnswer; readonly header: Header } | undefined,
): Buffer {
  let body: Uint8Array;
  if (last !== undefined) body = encodeRange({ ...last.answer, values }, last.header);
  else {
    const writer = takeWriter();
    for (const value of values) writer.uint32(lengthDelimited(2)).bytes(value);
    body = finish(writer);
  }
  return finish(takeWriter().uint32(lengthDelimited(1)).bytes(body));
}

export function encodePut(answer: PutAnswer, header: Header): Buffer {
  const writer = start(header);
  if (answer.previous !== undefined) writer.uint32(lengthDelimited(2)).bytes(answer.previous);
  return finish(writer);
}

export function encodeDeleteRange(answer: DeleteRangeAnswer, header: Header): Buffer {
  const writer = start(header);
  if (answer.deleted !== 0) writer.uint32(varint(2)).int64(answer.deleted);
  for (const value of answer.previous) writer.uint32(lengthDelimited(3)).bytes(value);
  return finish(writer);
}

export function encodeTxn(answer: TxnAnswer, header: Header): Buffer {
  const writer = start(header);
  if (answer.succeeded) writer.uint32(varint(2)).bool(true);
  for (const response of answer.responses) writer.uint32(lengthDelimited(3)).bytes(encodeOp(response));
  return finish(writer);
}

/** ResponseOp: its header says the revision and nothing else; that of a nested transaction not even that. */
function encodeOp(answer: OpAnswer): Uint8Array {
  const header: Header = { clusterId: 0n, memberId: 0n, revision: answer.kind === "txn" ? 0 : answer.revision, raftTerm: 0 };
  const fields = { range: 1, put: 2, deleteRange: 3, txn: 4 } as const;
  const bodies = {
    range: () => encodeRange(answer as RangeAnswer, header),
    put: () => encodePut(answer as PutAnswer, header),
    deleteRange: () => encodeDeleteRange(answer as DeleteRangeAnswer, header),
    txn: () => encodeTxn(answer as TxnAnswer, header),
  };
  const body = bodies[answer.kind]();
  return finish(takeWriter().uint32(lengthDelimited(fields[answer.kind])).bytes(body));
}

/** Of events without the value before: every watcher of a key is sent the same. */
const encodedEvents = new WeakMap<KeyEvent, Uint8Array>();

/** mvccpb.Event. `previous` as far as it is wanted and still there. */
export function encodeEvent(event: KeyEvent, previous: EncodedKeyValue | undefined): Uint8Array {
  const known = previous === undefined ? encodedEvents.get(event) : undefined;
  if (known !== undefined) return known;
  const writer = takeWriter();
  if (event.type === "delete") writer.uint32(varint(1)).int32(1);
  writer.uint32(lengthDelimited(2)).bytes(event.value);
  if (previous !== undefined) writer.uint32(lengthDelimited(3)).bytes(previous);
  const encoded = finish(writer);
  if (previous === undefined) encodedEvents.set(event, encoded);
  return encoded;
}

export interface WatchMessage {
  readonly watchID: number;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly compactRevision?: number;
  readonly cancelReason?: string;
  readonly fragment?: boolean;
  /** Encoded events. */
  readonly events?: readonly Uint8Array[];
}

export function encodeWatch(message: WatchMessage, header: Header): Buffer {
  const { watchID, events, created, canceled } = message;
  if (events !== undefined && watchID >= 0 && created !== true && canceled !== true) return encodeEvents(message, events, header);
  const writer = start(header);
  if (watchID !== 0) writer.uint32(varint(2)).int64(watchID);
  if (created === true) writer.uint32(varint(3)).bool(true);
  if (canceled === true) writer.uint32(varint(4)).bool(true);
  if ((message.compactRevision ?? 0) !== 0) writer.uint32(varint(5)).int64(message.compactRevision ?? 0);
  if ((message.cancelReason ?? "") !== "") writer.uint32(lengthDelimited(6)).string(message.cancelReason ?? "");
  if (message.fragment === true) writer.uint32(varint(7)).bool(true);
  for (const event of events ?? []) writer.uint32(lengthDelimited(11)).bytes(event);
  return finish(writer);
}

/** What a watch is for, without a writer: each write goes to every watcher of its key. */
function encodeEvents({ watchID, fragment }: WatchMessage, events: readonly Uint8Array[], header: Header): Buffer {
  const head = encodeHeader(header);
  let size = sizeOfBytes(head) + (watchID === 0 ? 0 : 1 + sizeOfVarint(watchID)) + (fragment === true ? 2 : 0);
  for (const event of events) size += sizeOfBytes(event);
  const bytes = Buffer.allocUnsafe(size);
  let at = writeBytes(bytes, 0, 1, head);
  if (watchID !== 0) {
    bytes[at] = varint(2);
    at = writeVarint(bytes, at + 1, watchID);
  }
  if (fragment === true) {
    bytes[at++] = varint(7);
    bytes[at++] = 1;
  }
  for (const event of events) at = writeBytes(bytes, at, 11, event);
  return bytes;
}

/** With tag and length. */
const sizeOfBytes = ({ length }: Uint8Array): number => 1 + sizeOfVarint(length) + length;

/** Returns where it ends. */
function writeBytes(into: Buffer, at: number, field: number, value: Uint8Array): number {
  into[at] = lengthDelimited(field);
  const start = writeVarint(into, at + 1, value.length);
  into.set(value, start);
  return start + value.length;
}

const start = (header: Header): BinaryWriter => takeWriter().uint32(lengthDelimited(1)).bytes(encodeHeader(header));

/** The last one, which the next answer often has too: all watchers of a key are told of one revision. */
let lastHeader: { readonly header: Header; readonly bytes: Uint8Array } | undefined;

function encodeHeader(header: Header): Uint8Array {
  const last = lastHeader?.header;
  if (lastHeader !== undefined && last === header) return lastHeader.bytes;
  if (
    lastHeader !== undefined &&
    last?.revision === header.revision &&
    last.raftTerm === header.raftTerm &&
    last.memberId === header.memberId &&
    last.clusterId === header.clusterId
  )
    return lastHeader.bytes;
  const bytes = finish(etcdserverpb.ResponseHeader.encode(header, takeWriter()) as BinaryWriter);
  lastHeader = { header, bytes };
  return bytes;
}

/** Writers that are in nobody's hands. A new one grows by doubling from nothing, which costs more than what is written. */
const idleWriters: BinaryWriter[] = [];
/** One that has written more than this is not kept: it holds as much memory. */
const keptBytesMax = 1024 * 1024;

const takeWriter = (): BinaryWriter => idleWriters.pop() ?? new BinaryWriter();

function finish(writer: BinaryWriter): Buffer {
  const bytes = writer.finish();
  if (bytes.length <= keptBytesMax) idleWriters.push(writer);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
