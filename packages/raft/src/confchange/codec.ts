import { RaftError } from "../errors.js";
import type { ConfChange, ConfChangeSingle, ConfChangeType } from "../types.js";

// Wire form: raftpb.ConfChangeV2 {transition = 1, changes = 2 {type = 1, node_id = 2}, context = 3}, written by hand so that the core
// needs no protobuf library. Leaving a joint configuration is the empty message, which keeps its entry free of charge.

const transitions = ["auto", "jointImplicit", "jointExplicit"] as const;
const changeTypes: readonly ConfChangeType[] = ["addVoter", "remove", "update", "addLearner"];

export const leaveJoint: ConfChange = { transition: "auto", changes: [], context: new Uint8Array(0) };

/** Bytes for the `data` of a "confChange" entry. */
export function encodeConfChange(change: ConfChange): Uint8Array {
  const out: number[] = [];
  const transition = transitions.indexOf(change.transition);
  if (transition !== 0) out.push(0x08, transition);
  for (const single of change.changes) {
    const body: number[] = [];
    const type = changeTypes.indexOf(single.type);
    if (type !== 0) body.push(0x08, type);
    if (single.memberID !== 0n) {
      body.push(0x10);
      writeVarint(body, single.memberID);
    }
    out.push(0x12, body.length, ...body);
  }
  if (change.context.length > 0) {
    out.push(0x1a);
    writeVarint(out, BigInt(change.context.length));
  }
  const bytes = new Uint8Array(out.length + change.context.length);
  bytes.set(out);
  bytes.set(change.context, out.length);
  return bytes;
}

/** Reads what {@link encodeConfChange} wrote; unknown fields are skipped. Throws RaftError ENTRY_CORRUPT. */
export function decodeConfChange(bytes: Uint8Array): ConfChange {
  const cursor = { bytes, offset: 0 };
  let transition: ConfChange["transition"] = "auto";
  let context: Uint8Array = new Uint8Array(0);
  const changes: ConfChangeSingle[] = [];
  while (cursor.offset < bytes.length) {
    const tag = Number(readVarint(cursor));
    if (tag === 0x08) transition = pick(transitions, readVarint(cursor));
    else if (tag === 0x12) changes.push(decodeSingle(readBytes(cursor)));
    else if (tag === 0x1a) context = readBytes(cursor);
    else skipField(cursor, tag);
  }
  return { transition, changes, context };
}

interface Cursor {
  readonly bytes: Uint8Array;
  offset: number;
}

function decodeSingle(bytes: Uint8Array): ConfChangeSingle {
  const cursor = { bytes, offset: 0 };
  let type: ConfChangeType = "addVoter";
  let memberID = 0n;
  while (cursor.offset < bytes.length) {
    const tag = Number(readVarint(cursor));
    if (tag === 0x08) type = pick(changeTypes, readVarint(cursor));
    else if (tag === 0x10) memberID = readVarint(cursor);
    else skipField(cursor, tag);
  }
  return { type, memberID };
}

function pick<T>(names: readonly T[], position: bigint): T {
  const name = names[Number(position)];
  if (name === undefined) throw corrupt(`unknown enumeration value ${position}`);
  return name;
}

function writeVarint(out: number[], value: bigint): void {
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
}

function readVarint(cursor: Cursor): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = cursor.bytes[cursor.offset++];
    if (byte === undefined) throw corrupt("truncated varint");
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asUintN(64, value);
  }
  throw corrupt("varint longer than 10 bytes");
}

function readBytes(cursor: Cursor): Uint8Array {
  const length = Number(readVarint(cursor));
  const end = cursor.offset + length;
  if (end > cursor.bytes.length) throw corrupt(`field of ${length} bytes runs past the end`);
  const bytes = cursor.bytes.subarray(cursor.offset, end);
  cursor.offset = end;
  return bytes;
}

function skipField(cursor: Cursor, tag: number): void {
  const wireType = tag & 7;
  if (wireType === 0) readVarint(cursor);
  else if (wireType === 2) readBytes(cursor);
  else throw corrupt(`unexpected wire type ${wireType}`);
}

const corrupt = (what: string): RaftError => new RaftError("ENTRY_CORRUPT", `Cannot decode membership change: ${what}`);
