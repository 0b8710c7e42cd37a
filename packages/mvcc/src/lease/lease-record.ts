// A stored lease: key is its ID (8 bytes), value granted and remaining TTL in seconds (8 bytes each), all big endian.
import { readUint64, writeUint64 } from "../revision.js";

export function encodeLeaseID(id: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, id);
  return bytes;
}

export function encodeLeaseRecord(ttlSeconds: number, remainingSeconds: number): Uint8Array {
  const bytes = new Uint8Array(16);
  // A TTL below the minimum was raised before it got here, so neither is negative.
  writeUint64(bytes, 0, ttlSeconds);
  writeUint64(bytes, 8, remainingSeconds);
  return bytes;
}

export function decodeLeaseRecord(
  idBytes: Uint8Array,
  record: Uint8Array,
): { readonly id: bigint; readonly ttlSeconds: number; readonly remainingSeconds: number } {
  const id = new DataView(idBytes.buffer, idBytes.byteOffset, idBytes.byteLength).getBigInt64(0);
  return { id, ttlSeconds: readUint64(record, 0), remainingSeconds: readUint64(record, 8) };
}
