// A revision names one change: `main` counts transactions of the whole store, `sub` the changes within one.
// On disk it is 8 bytes main, '_', 8 bytes sub, big endian (etcd's own layout), so that byte order is revision order.

/** Revision of an empty store: the first transaction gets 2, as in etcd. */
export const initialRevision = 1;
export const revisionBytes = 17;
const separator = 0x5f;

export function encodeRevision(main: number, sub: number): Uint8Array {
  const bytes = new Uint8Array(revisionBytes);
  writeUint64(bytes, 0, main);
  bytes[8] = separator;
  writeUint64(bytes, 9, sub);
  return bytes;
}

export function decodeMain(bytes: Uint8Array): number {
  return readUint64(bytes, 0);
}

export function decodeSub(bytes: Uint8Array): number {
  return readUint64(bytes, 9);
}

/** Writes a counter below 2^53 as 8 bytes, big endian. */
export function writeUint64(bytes: Uint8Array, offset: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  const low = value >>> 0;
  bytes[offset] = high >>> 24;
  bytes[offset + 1] = high >>> 16;
  bytes[offset + 2] = high >>> 8;
  bytes[offset + 3] = high;
  bytes[offset + 4] = low >>> 24;
  bytes[offset + 5] = low >>> 16;
  bytes[offset + 6] = low >>> 8;
  bytes[offset + 7] = low;
}

/** Reads 8 bytes, big endian, as a counter; values above 2^53 lose precision and are not counters. */
export function readUint64(bytes: Uint8Array, offset: number): number {
  return readUint32(bytes, offset) * 0x1_0000_0000 + readUint32(bytes, offset + 4);
}

function readUint32(bytes: Uint8Array, offset: number): number {
  const at = (position: number): number => bytes[offset + position] as number;
  return ((at(0) << 24) | (at(1) << 16) | (at(2) << 8) | at(3)) >>> 0;
}
