// The two meta pages: where the tree's root is. Each write transaction replaces the older one, so that one is always whole.
import { BoltError } from "./errors.js";
import { type BoltFile, noFreelist, pageFlag, pageHeaderBytes, readPageID, writePageHeader } from "./layout.js";

const magic = 0xed0cdaed;
const formatVersion = 2;
const metaBytes = 64;
const checkedBytes = 56;

export interface BoltMeta {
  readonly pageSizeBytes: number;
  /** Root page of the bucket that holds the buckets. */
  readonly root: number;
  /** Undefined when the file has none. */
  readonly freelist: number | undefined;
  /** Pages in use, counted from the file's start: the number of the first page past them. */
  readonly highWater: number;
  readonly transaction: bigint;
}

export function encodeMetaPage(meta: BoltMeta): Buffer {
  const page = Buffer.alloc(meta.pageSizeBytes);
  writePageHeader(page, { id: Number(meta.transaction % 2n), flags: pageFlag.meta, count: 0, overflow: 0 });
  const bytes = page.subarray(pageHeaderBytes, pageHeaderBytes + metaBytes);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(formatVersion, 4);
  bytes.writeUInt32LE(meta.pageSizeBytes, 8);
  bytes.writeBigUInt64LE(BigInt(meta.root), 16);
  bytes.writeBigUInt64LE(meta.freelist === undefined ? noFreelist : BigInt(meta.freelist), 32);
  bytes.writeBigUInt64LE(BigInt(meta.highWater), 40);
  bytes.writeBigUInt64LE(meta.transaction, 48);
  bytes.writeBigUInt64LE(fnv1a(bytes.subarray(0, checkedBytes)), checkedBytes);
  return page;
}

/** The newer of the two meta pages that are whole. Throws INVALID with what is wrong with the first when none is. */
export async function readMeta(file: BoltFile): Promise<BoltMeta> {
  const first = await readMetaAt(file, 0);
  if (typeof first !== "string") {
    const second = await readMetaAt(file, first.pageSizeBytes);
    return typeof second !== "string" && second.pageSizeBytes === first.pageSizeBytes && second.transaction > first.transaction
      ? second
      : first;
  }
  // Where the second one stands follows from the page size, which only it can tell now.
  for (let pageSizeBytes = 1_024; pageSizeBytes <= 16 * 1_024 * 1_024; pageSizeBytes *= 2) {
    const second = await readMetaAt(file, pageSizeBytes);
    if (typeof second !== "string" && second.pageSizeBytes === pageSizeBytes) return second;
  }
  throw new BoltError("INVALID", `Cannot open database: ${first}`);
}

async function readMetaAt(file: BoltFile, offset: number): Promise<BoltMeta | string> {
  if (offset + pageHeaderBytes + metaBytes > file.sizeBytes) return "file size too small";
  const bytes = await file.read(offset + pageHeaderBytes, metaBytes);
  if (bytes.readUInt32LE(0) !== magic) return "invalid database";
  if (bytes.readUInt32LE(4) !== formatVersion) return "version mismatch";
  if (bytes.readBigUInt64LE(checkedBytes) !== fnv1a(bytes.subarray(0, checkedBytes))) return "checksum error";
  const pageSizeBytes = bytes.readUInt32LE(8);
  if (pageSizeBytes < 512 || (pageSizeBytes & (pageSizeBytes - 1)) !== 0) return `page size is ${pageSizeBytes}, must be a power of two`;
  const freelist = bytes.readBigUInt64LE(32);
  return {
    pageSizeBytes,
    root: readPageID(bytes, 16),
    freelist: freelist === noFreelist ? undefined : readPageID(bytes, 32),
    highWater: readPageID(bytes, 40),
    transaction: bytes.readBigUInt64LE(48),
  };
}

function fnv1a(bytes: Buffer): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash;
}
