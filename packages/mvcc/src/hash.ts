// Hash over the data, equal on members with equal data at equal compaction, and equal to the number etcd gives.
// Source: etcd server/storage/mvcc/hash.go (CRC-32C over the bucket name, then key and value of each row that counts).
import { type EncodedKeyValue, isTombstone } from "./key-value.js";

const castagnoli = 0x82f63b78;
const table = Uint32Array.from({ length: 256 }, (_unused, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ castagnoli : crc >>> 1;
  return crc >>> 0;
});
const tombstoneMark = Uint8Array.of(0x74);

/** Running CRC-32C. */
export class DataHash {
  #crc = crc32c(Uint8Array.from([0x6b, 0x65, 0x79]));

  addRow(revision: Uint8Array, row: EncodedKeyValue): void {
    this.#update(revision);
    if (isTombstone(row)) this.#update(tombstoneMark);
    this.#update(row);
  }

  get value(): number {
    return this.#crc;
  }

  #update(bytes: Uint8Array): void {
    this.#crc = crc32c(bytes, this.#crc);
  }
}

/** CRC-32C of `bytes`, going on from the CRC of what came before. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let offset = 0; offset < bytes.length; offset += 1) {
    crc = (crc >>> 8) ^ (table[(crc ^ (bytes[offset] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}
