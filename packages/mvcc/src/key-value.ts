// mvccpb.KeyValue in its protobuf encoding. Kept encoded on disk, in memory and on the wire, so that a read copies bytes instead of
// decoding and encoding them, and so that hashes over the data equal etcd's.

import { sizeOfVarint, writeVarint } from "./varint.js";

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: bigint;
}

/** A KeyValue in protobuf encoding; never changed once made. */
export type EncodedKeyValue = Uint8Array;

/** Field number and wire type, as they stand on the wire. */
const tag = { key: 0x0a, createRevision: 0x10, modRevision: 0x18, version: 0x20, value: 0x2a, lease: 0x30 } as const;
type Tag = (typeof tag)[keyof typeof tag];
const empty: Uint8Array = new Uint8Array(0);

export function encodeKeyValue(kv: KeyValue): EncodedKeyValue {
  const lease = BigInt.asUintN(64, kv.lease);
  const size =
    sizeOfBytes(kv.key) +
    sizeOfNumber(kv.createRevision) +
    sizeOfNumber(kv.modRevision) +
    sizeOfNumber(kv.version) +
    sizeOfBytes(kv.value) +
    sizeOfBig(lease);
  const bytes = new Uint8Array(size);
  let offset = writeBytes(bytes, 0, tag.key, kv.key);
  offset = writeNumber(bytes, offset, tag.createRevision, kv.createRevision);
  offset = writeNumber(bytes, offset, tag.modRevision, kv.modRevision);
  offset = writeNumber(bytes, offset, tag.version, kv.version);
  offset = writeBytes(bytes, offset, tag.value, kv.value);
  writeBig(bytes, offset, lease);
  return bytes;
}

/** A deletion as watchers see it (key and mod_revision only). */
export function encodeDeletion(key: Uint8Array, modRevision: number): EncodedKeyValue {
  return encodeKeyValue({ key, value: empty, createRevision: 0, modRevision, version: 0, lease: 0n });
}

/** A deletion as it is stored: the key alone. */
export function encodeTombstone(key: Uint8Array): EncodedKeyValue {
  return encodeDeletion(key, 0);
}

export function decodeKeyValue(bytes: EncodedKeyValue): KeyValue {
  const kv: { -readonly [Field in keyof KeyValue]: KeyValue[Field] } = {
    key: empty,
    value: empty,
    createRevision: 0,
    modRevision: 0,
    version: 0,
    lease: 0n,
  };
  const cursor = { offset: 0 };
  while (cursor.offset < bytes.length) {
    switch (bytes[cursor.offset++]) {
      case tag.key:
        kv.key = readBytes(bytes, cursor);
        break;
      case tag.createRevision:
        kv.createRevision = readNumber(bytes, cursor);
        break;
      case tag.modRevision:
        kv.modRevision = readNumber(bytes, cursor);
        break;
      case tag.version:
        kv.version = readNumber(bytes, cursor);
        break;
      case tag.value:
        kv.value = readBytes(bytes, cursor);
        break;
      case tag.lease:
        kv.lease = BigInt.asIntN(64, readBig(bytes, cursor));
        break;
      default:
        throw new RangeError(`Cannot decode KeyValue: unknown field before offset ${cursor.offset}`);
    }
  }
  return kv;
}

/** The key alone; it is always the first field. */
export function decodeKey(bytes: EncodedKeyValue): Uint8Array {
  return bytes[0] === tag.key ? readBytes(bytes, { offset: 1 }) : empty;
}

/** True when the stored record marks a deletion: nothing follows its key. */
export function isTombstone(bytes: EncodedKeyValue): boolean {
  const cursor = { offset: 1 };
  if (bytes[0] === tag.key) readBytes(bytes, cursor);
  return cursor.offset >= bytes.length;
}

function sizeOfNumber(value: number): number {
  return value === 0 ? 0 : 1 + sizeOfVarint(value);
}

function sizeOfBytes(value: Uint8Array): number {
  return value.length === 0 ? 0 : 1 + sizeOfVarint(value.length) + value.length;
}

function sizeOfBig(value: bigint): number {
  if (value === 0n) return 0;
  let size = 2;
  for (let rest = value; rest >= 0x80n; rest >>= 7n) size += 1;
  return size;
}

function writeNumber(bytes: Uint8Array, offset: number, field: Tag, value: number): number {
  if (value === 0) return offset;
  bytes[offset] = field;
  return writeVarint(bytes, offset + 1, value);
}

function writeBytes(bytes: Uint8Array, offset: number, field: Tag, value: Uint8Array): number {
  if (value.length === 0) return offset;
  bytes[offset] = field;
  const start = writeVarint(bytes, offset + 1, value.length);
  bytes.set(value, start);
  return start + value.length;
}

function writeBig(bytes: Uint8Array, offset: number, value: bigint): void {
  if (value === 0n) return;
  let position = offset;
  bytes[position++] = tag.lease;
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes[position++] = Number(rest & 0x7fn) | 0x80;
  bytes[position] = Number(rest);
}

function readNumber(bytes: Uint8Array, cursor: { offset: number }): number {
  let value = 0;
  let scale = 1;
  for (;;) {
    const byte = bytes[cursor.offset++];
    if (byte === undefined) throw new RangeError("Cannot decode KeyValue: it ends inside a number");
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 0x80;
  }
}

function readBig(bytes: Uint8Array, cursor: { offset: number }): bigint {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes[cursor.offset++];
    if (byte === undefined) throw new RangeError("Cannot decode KeyValue: it ends inside a number");
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

function readBytes(bytes: Uint8Array, cursor: { offset: number }): Uint8Array {
  const size = readNumber(bytes, cursor);
  const end = cursor.offset + size;
  if (end > bytes.length) throw new RangeError("Cannot decode KeyValue: it ends inside a field");
  const value = bytes.subarray(cursor.offset, end);
  cursor.offset = end;
  return value;
}
