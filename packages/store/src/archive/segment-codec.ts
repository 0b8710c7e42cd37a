// The log archive's format. A folder holds segments, each named by the first entry in it (16 hex digits, ".seg"):
//
//   header   "LENJARC1" · cluster u64 · member u64 · first index u64 · CRC-32 of the 32 bytes before
//   record   body length u32 · CRC-32 of the body u32 · body
//   body     index u64 · term u64 · revision after it was applied u64 (0: not known) · wall time in ms u64 · type u8 · data
//
// All numbers are big endian. A segment ends where its file does; what a crash left of a last record does not count.
import { crc32 } from "node:zlib";
import { StoreError } from "../core/errors.js";

const magic = Buffer.from("LENJARC1");
export const segmentHeaderBytes = 36;
const recordHeadBytes = 8;
const bodyHeadBytes = 33;
const types = ["normal", "confChange"] as const;

export interface SegmentHeader {
  readonly clusterID: bigint;
  readonly memberID: bigint;
  readonly firstIndex: number;
}

/** One committed entry, as it was applied. */
export interface ArchivedEntry {
  readonly index: number;
  readonly term: number;
  /** The store's revision after it; 0 when the member did not apply it when it was archived. */
  readonly revision: number;
  /** When this member archived it, in milliseconds of its wall clock. */
  readonly wallMs: number;
  readonly type: (typeof types)[number];
  readonly data: Uint8Array;
}

export function segmentName(firstIndex: number): string {
  return `${firstIndex.toString(16).padStart(16, "0")}.seg`;
}

/** Undefined for a file that is no segment. */
export function firstIndexOf(name: string): number | undefined {
  return /^[0-9a-f]{16}\.seg$/.test(name) ? Number.parseInt(name.slice(0, 16), 16) : undefined;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(segmentHeaderBytes);
  magic.copy(bytes);
  bytes.writeBigUInt64BE(header.clusterID, 8);
  bytes.writeBigUInt64BE(header.memberID, 16);
  bytes.writeBigUInt64BE(BigInt(header.firstIndex), 24);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 32)), 32);
  return bytes;
}

/** Undefined for one that a crash cut short. Throws DATA_DAMAGED. */
export function decodeSegmentHeader(bytes: Buffer, name: string): SegmentHeader | undefined {
  if (bytes.length < segmentHeaderBytes) return undefined;
  if (!bytes.subarray(0, 8).equals(magic) || bytes.readUInt32BE(32) !== crc32(bytes.subarray(0, 32)))
    throw new StoreError("DATA_DAMAGED", `Cannot read archive segment ${name}: its header is damaged`);
  return { clusterID: bytes.readBigUInt64BE(8), memberID: bytes.readBigUInt64BE(16), firstIndex: Number(bytes.readBigUInt64BE(24)) };
}

export function encodeRecord(entry: ArchivedEntry): Buffer {
  const bytes = Buffer.allocUnsafe(recordHeadBytes + bodyHeadBytes + entry.data.length);
  const body = bytes.subarray(recordHeadBytes);
  for (const [position, value] of [entry.index, entry.term, entry.revision, entry.wallMs].entries())
    body.writeBigUInt64BE(BigInt(Math.floor(value)), position * 8);
  body[32] = types.indexOf(entry.type);
  body.set(entry.data, bodyHeadBytes);
  bytes.writeUInt32BE(body.length, 0);
  bytes.writeUInt32BE(crc32(body), 4);
  return bytes;
}

export interface DecodedRecords {
  readonly entries: readonly ArchivedEntry[];
  /** Where the whole records end. */
  readonly endBytes: number;
}

/** The records of a whole segment file. Throws DATA_DAMAGED for a bad record that no crash while appending can leave. */
export function decodeRecords(bytes: Buffer, name: string): DecodedRecords {
  const entries: ArchivedEntry[] = [];
  let at = segmentHeaderBytes;
  while (at + recordHeadBytes <= bytes.length) {
    const length = bytes.readUInt32BE(at);
    const end = at + recordHeadBytes + length;
    const body = bytes.subarray(at + recordHeadBytes, end);
    if (end > bytes.length || length < bodyHeadBytes || crc32(body) !== bytes.readUInt32BE(at + 4)) {
      // A torn write leaves a record that reaches past the end, or the last one with a part missing, or zeros that were never filled.
      const isTorn = end >= bytes.length || bytes.subarray(at).every((byte) => byte === 0);
      if (!isTorn) throw new StoreError("DATA_DAMAGED", `Cannot read archive segment ${name}: its record at ${at} is damaged`);
      break;
    }
    entries.push(decodeBody(body, name));
    at = end;
  }
  return { entries, endBytes: Math.min(at, bytes.length) };
}

function decodeBody(body: Buffer, name: string): ArchivedEntry {
  const type = types[body[32] as number];
  if (type === undefined) throw new StoreError("DATA_DAMAGED", `Cannot read archive segment ${name}: unknown entry type ${body[32]}`);
  const number = (position: number): number => Number(body.readBigUInt64BE(position * 8));
  return { index: number(0), term: number(1), revision: number(2), wallMs: number(3), type, data: body.subarray(bodyHeadBytes) };
}
