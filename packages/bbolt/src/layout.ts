// The bbolt file format: pages of one size, numbered from 0; a page that needs more room goes on in the `overflow` pages after it.
// All numbers are little endian.
//
//   page header (16)   id u64 · flags u16 · count u16 · overflow u32
//   meta page          magic u32 · version u32 · page size u32 · flags u32 · root bucket (root u64, sequence u64) · freelist u64 ·
//                      high-water mark u64 · transaction u64 · FNV-1a of the 56 bytes before, u64
//   branch element     position u32 (from the element's own start) · key size u32 · child page u64
//   leaf element       flags u32 (1: the value is a bucket) · position u32 · key size u32 · value size u32
//   bucket value       root page u64 · sequence u64; with root 0 a whole leaf page follows inside the value ("inline")
//   freelist page      page numbers u64; when there are 0xffff or more, count is 0xffff and the first number is the count
//
// Source: go.etcd.io/bbolt page.go, db.go, bucket.go, freelist.go.
import { BoltError } from "./errors.js";

/** Read access to a file. */
export interface BoltFile {
  readonly sizeBytes: number;
  /** Exactly `length` bytes from `offset`; rejects when the file ends before. */
  read(offset: number, length: number): Promise<Buffer> | Buffer;
}

/** What bbolt takes on amd64. */
export const defaultPageSizeBytes = 4_096;
export const pageHeaderBytes = 16;
export const elementBytes = 16;
export const bucketHeaderBytes = 16;
export const pageFlag = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 } as const;
export const bucketElementFlag = 0x01;
/** Freelist number of a file that was written without one. */
export const noFreelist = 0xffff_ffff_ffff_ffffn;
/** Upstream's limits. */
export const keyBytesMax = 32_768;
export const valueBytesMax = 2 ** 31 - 2;

export interface PageHeader {
  readonly id: number;
  readonly flags: number;
  readonly count: number;
  readonly overflow: number;
}

export function readPageHeader(page: Buffer): PageHeader {
  return { id: readPageID(page, 0), flags: page.readUInt16LE(8), count: page.readUInt16LE(10), overflow: page.readUInt32LE(12) };
}

export function writePageHeader(page: Buffer, header: PageHeader): void {
  page.writeBigUInt64LE(BigInt(header.id), 0);
  page.writeUInt16LE(header.flags, 8);
  page.writeUInt16LE(header.count, 10);
  page.writeUInt32LE(header.overflow, 12);
}

/** A page number; those that no file can hold read as Infinity, which every check of a range refuses. */
export function readPageID(bytes: Buffer, offset: number): number {
  const id = bytes.readBigUInt64LE(offset);
  return id > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(id);
}

export function kindOf(flags: number): string {
  for (const [name, flag] of Object.entries(pageFlag)) if ((flags & flag) !== 0) return name;
  return `unknown<${flags.toString(16).padStart(2, "0")}>`;
}

export function damaged(page: number, reason: string): BoltError {
  return new BoltError("DAMAGED", `Cannot read page ${page}: ${reason}`, page);
}
