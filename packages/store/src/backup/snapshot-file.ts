// A snapshot on disk: a database file, then the SHA-256 of it. One copied out of an etcd's data folder has no SHA-256.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type BoltFile, BoltReader, checkBoltFile } from "@lenj/bbolt";
import { crc32c, decodeMain } from "@lenj/mvcc";
import { StoreError } from "../core/errors.js";

const hashBytes = 32;
/** Database files are multiples of this; what is past it is the hash. Upstream: hasChecksum. */
const sectorBytes = 512;

export interface SnapshotStatus {
  readonly hash: number;
  readonly revision: number;
  readonly totalKey: number;
  readonly totalSize: number;
}

export class SnapshotFile {
  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    readonly reader: BoltReader,
  ) {}

  /** Throws BoltError for what is no database, an error of the system when the file cannot be read. */
  static async open(path: string): Promise<SnapshotFile> {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      return new SnapshotFile(path, handle, await BoltReader.open(boltFile(handle, size - (size % sectorBytes))));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Throws DATA_DAMAGED, in upstream's words, unless the file ends with the SHA-256 of the rest. */
  async checkHash(): Promise<void> {
    const { size } = await this.handle.stat();
    if (size % sectorBytes !== hashBytes) throw new StoreError("DATA_DAMAGED", "snapshot missing hash but --skip-hash-check=false");
    const hash = createHash("sha256");
    const database = createReadStream(this.path, { end: size - hashBytes - 1, highWaterMark: 1024 * 1024 });
    for await (const chunk of database) hash.update(chunk as Buffer);
    const expected = await readExactly(this.handle, size - hashBytes, hashBytes);
    const got = hash.digest();
    if (!expected.equals(got))
      throw new StoreError("DATA_DAMAGED", `expected sha256 [${[...expected].join(" ")}], got [${[...got].join(" ")}]`);
  }

  /** Reads everything. Throws DATA_DAMAGED, in upstream's words, when the database is not whole. */
  async status(): Promise<SnapshotStatus> {
    const problems = await checkBoltFile(this.reader);
    if (problems.length > 0)
      throw new StoreError(
        "DATA_DAMAGED",
        `snapshot file integrity check failed. ${problems.length} errors found.\n${problems.join("\n")}`,
      );
    let hash = 0;
    let revision = 0;
    let totalKey = 0;
    for await (const { name, bucket } of this.reader.buckets()) {
      hash = crc32c(name, hash);
      const isKeys = name.toString() === "key";
      for await (const entries of this.reader.entries(bucket)) {
        for (const { key, value } of entries) hash = crc32c(value, crc32c(key, hash));
        totalKey += entries.length;
        const last = entries.at(-1);
        if (isKeys && last !== undefined) revision = decodeMain(last.key);
      }
    }
    return { hash, revision, totalKey, totalSize: this.reader.sizeBytes };
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

function boltFile(handle: FileHandle, sizeBytes: number): BoltFile {
  return { sizeBytes, read: (offset, length) => readExactly(handle, offset, length) };
}

async function readExactly(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let got = 0; got < length; ) {
    const { bytesRead } = await handle.read(bytes, got, length - got, offset + got);
    if (bytesRead === 0) throw new StoreError("DATA_DAMAGED", `Cannot read snapshot: it ends at ${offset + got}`);
    got += bytesRead;
  }
  return bytes;
}
