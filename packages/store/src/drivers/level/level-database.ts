// The one place that names the LevelDB library.
//
// D1. One batch at a time: un-awaited batches run on a thread pool and could be reordered.
// D2. Every batch is written with `sync`: LevelDB closes a full log file without fsync when it swaps memtables, so that a later synced
//     batch would not make earlier unsynced ones durable.
// D3. Every row carries a CRC of key and value, checked on each read: LevelDB reads without verifying its own checksums.
// D4. A failed write is final: LevelDB refuses everything after a background error. The owner stops the process.
import { crc32 } from "node:zlib";
import { Level } from "level";
import { StoreError } from "../../core/errors.js";

const crcBytes = 4;

export type Row = readonly [key: Buffer, value: Buffer];
export type WriteOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

export interface LevelDatabaseOptions {
  /** LevelDB's memtable, in bytes. */
  readonly writeBufferBytes: number;
  /** LevelDB's block cache, in bytes. */
  readonly cacheBytes: number;
}

export class LevelDatabase {
  /** What the library offers on disk only, and does not declare for its browser twin. */
  private readonly maintenance: {
    approximateSize(start: Uint8Array, end: Uint8Array): Promise<number>;
    compactRange(start: Uint8Array, end: Uint8Array): Promise<void>;
  };

  private constructor(
    private readonly db: Level<Uint8Array, Uint8Array>,
    readonly location: string,
  ) {
    this.maintenance = db as unknown as LevelDatabase["maintenance"];
  }

  static async open(location: string, options: LevelDatabaseOptions): Promise<LevelDatabase> {
    const db = new Level<Uint8Array, Uint8Array>(location, {
      keyEncoding: "buffer",
      valueEncoding: "buffer",
      writeBufferSize: options.writeBufferBytes,
      cacheSize: options.cacheBytes,
      compression: true,
    });
    await db.open();
    return new LevelDatabase(db, location);
  }

  /** The checked value, or undefined. Throws DATA_DAMAGED. */
  get(key: Uint8Array): Buffer | undefined {
    const stored = this.db.getSync(key) as Buffer | undefined;
    return stored === undefined ? undefined : unseal(key, stored, this.location);
  }

  async write(operations: readonly WriteOperation[]): Promise<void> {
    await this.db.batch(
      operations.map((operation) =>
        operation.type === "put"
          ? { type: "put", key: operation.key, value: seal(operation.key, operation.value) }
          : { type: "del", key: operation.key },
      ),
      { sync: true },
    );
  }

  /** Rows in [gte, lt) in key order, in chunks, from a consistent view taken when iteration starts. Throws DATA_DAMAGED. */
  async *rows(gte: Uint8Array, lt: Uint8Array): AsyncGenerator<readonly Row[], void, undefined> {
    const iterator = this.db.iterator({ gte, lt, highWaterMarkBytes: 256 * 1024, fillCache: false });
    try {
      for (;;) {
        const chunk = (await iterator.nextv(1_000)) as [Buffer, Buffer][];
        if (chunk.length === 0) return;
        yield chunk.map(([key, value]) => [key, unseal(key, value, this.location)] as const);
      }
    } finally {
      await iterator.close();
    }
  }

  /** Bytes on disk in [start, end), roughly. */
  approximateSize(start: Uint8Array, end: Uint8Array): Promise<number> {
    return this.maintenance.approximateSize(start, end);
  }

  /** Rewrites [start, end) without what was deleted. Blocks this database's compactions, not its reads and writes. */
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void> {
    return this.maintenance.compactRange(start, end);
  }

  close(): Promise<void> {
    return this.db.close();
  }
}

function checksum(key: Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key));
}

function seal(key: Uint8Array, value: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(value.length + crcBytes);
  sealed.set(value, 0);
  sealed.writeUInt32BE(checksum(key, value), value.length);
  return sealed;
}

function unseal(key: Uint8Array, sealed: Buffer, location: string): Buffer {
  const end = sealed.length - crcBytes;
  const value = sealed.subarray(0, Math.max(0, end));
  if (end < 0 || sealed.readUInt32BE(end) !== checksum(key, value)) {
    throw new StoreError("DATA_DAMAGED", `Cannot read row ${Buffer.from(key).toString("hex")} of ${location}: checksum does not match`);
  }
  return value;
}
