// The one place that names the LevelDB library.
//
// D1. One batch at a time: un-awaited batches run on a thread pool and could be reordered.
// D2. Every batch is written with `sync`: LevelDB closes a full log file without fsync when it swaps memtables, so that a later synced
//     batch would not make earlier unsynced ones durable.
// D3. Every row carries a CRC of key and value, checked on each read: LevelDB reads without verifying its own checksums.
// D4. What cannot be read for damage (a row's CRC, LevelDB's own complaints, a table file that is gone) is DATA_DAMAGED, and the owner is told.
// D5. A failed write is final: LevelDB refuses everything after a background error. The owner stops the process.
import { crc32 } from "node:zlib";
import { Level } from "level";
import { isStoreError, StoreError } from "../../core/errors.js";

const crcBytes = 4;
/** A batch that has grown further is not kept: the engine does not give its memory back before. */
const keptBatchBytesMax = 1024 * 1024;

export type Row = readonly [key: Buffer, value: Buffer];
export type WriteOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

/** What is used of the LevelDB library: its own interface, less what nobody here calls. The simulator brings one in memory. */
export interface StorageEngine {
  getSync(key: Uint8Array): Uint8Array | undefined;
  /** Atomic; with `sync`, durable once it resolves. */
  batch(operations: readonly WriteOperation[], options: { readonly sync: boolean }): Promise<void>;
  /** A consistent view of the rows in [gte, lt), in key order. */
  iterator(options: EngineRange): EngineIterator;
  /** What is written now, for iterators to read from. */
  snapshot(): DatabaseView;
  approximateSize(start: Uint8Array, end: Uint8Array): Promise<number>;
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface EngineRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly highWaterMarkBytes: number;
  readonly fillCache: boolean;
  /** Left out: a view taken now. */
  readonly snapshot?: DatabaseView;
}

/** A consistent view of a database; closed by who took it. */
export interface DatabaseView {
  close(): Promise<void>;
}

export interface EngineIterator {
  /** Up to `size` more rows; none at the end. */
  nextv(size: number): Promise<[key: Uint8Array, value: Uint8Array][]>;
  close(): Promise<void>;
}

export interface LevelDatabaseOptions {
  /** LevelDB's memtable, in bytes. */
  readonly writeBufferBytes: number;
  /** LevelDB's block cache, in bytes. */
  readonly cacheBytes: number;
}

/** A batch of the engine, as the library's own chained batch fills it. */
interface EngineBatch {
  _put(key: Uint8Array, value: Uint8Array): void;
  _del(key: Uint8Array): void;
  _clear(): void;
  _write(options: { readonly sync: boolean }): Promise<void>;
  close(): Promise<void>;
}

/**
 * The library's database with batches handed straight to its engine. Its public batch() clones, re-encodes and announces every operation
 * for sublevels, hooks and events that nobody here has: a fifth of a busy member's processor time. And an array of operations costs the
 * engine three times what operations one by one do: it looks up each property of each by name.
 */
class PlainLevel extends Level<Uint8Array, Uint8Array> {
  /** The engine's own method, which public batch() calls in the end. Keys and values are bytes already. */
  declare private _chainedBatch: () => EngineBatch;
  /** Used again by the next write: there is one at a time. */
  #batch: EngineBatch | undefined;

  async writePlain(operations: readonly WriteOperation[], options: { readonly sync: boolean }): Promise<void> {
    if (this.status !== "open") throw new Error("Database is not open");
    const batch = this.#batch ?? this._chainedBatch();
    this.#batch = undefined;
    let bytes = 0;
    for (const operation of operations) {
      if (operation.type === "put") {
        batch._put(operation.key, operation.value);
        bytes += operation.value.length;
      } else batch._del(operation.key);
    }
    await batch._write(options);
    if (bytes > keptBatchBytesMax) return batch.close();
    batch._clear();
    this.#batch = batch;
  }
}

export class LevelDatabase {
  /** Told of every read that found damage, before the reader is. */
  onDamaged: (error: StoreError) => void = () => {};

  constructor(
    private readonly db: StorageEngine,
    readonly location: string,
  ) {}

  static async open(location: string, options: LevelDatabaseOptions): Promise<LevelDatabase> {
    const db = new PlainLevel(location, {
      keyEncoding: "buffer",
      valueEncoding: "buffer",
      writeBufferSize: options.writeBufferBytes,
      cacheSize: options.cacheBytes,
      compression: true,
    });
    try {
      await db.open();
    } catch (error) {
      throw damageFrom((error as Error).cause ?? error, location);
    }
    // The library declares what its browser twin has, too; on disk it offers all of this.
    const engine = Object.assign(db, { batch: db.writePlain.bind(db) }) as unknown as StorageEngine;
    return new LevelDatabase(engine, location);
  }

  /** The checked value, or undefined. Throws DATA_DAMAGED. */
  get(key: Uint8Array): Buffer | undefined {
    try {
      const stored = this.db.getSync(key);
      return stored === undefined ? undefined : unseal(key, stored, this.location);
    } catch (error) {
      throw this.#noted(error);
    }
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

  /**
   * Rows in [gte, lt) in key order, in chunks, from `view`, or else from a consistent view taken when iteration starts. Throws
   * DATA_DAMAGED.
   */
  async *rows(gte: Uint8Array, lt: Uint8Array, view?: DatabaseView): AsyncGenerator<readonly Row[], void, undefined> {
    const snapshot = view === undefined ? {} : { snapshot: view };
    const iterator = this.db.iterator({ gte, lt, highWaterMarkBytes: 256 * 1024, fillCache: false, ...snapshot });
    try {
      for (;;) {
        const chunk = await iterator.nextv(1_000);
        if (chunk.length === 0) return;
        yield chunk.map(([key, value]) => [asBuffer(key), unseal(key, value, this.location)] as const);
      }
    } catch (error) {
      throw this.#noted(error);
    } finally {
      await iterator.close();
    }
  }

  /** What is written now, for any number of later reads. The caller closes it; while it is open, nothing that it shows is given back. */
  view(): DatabaseView {
    return this.db.snapshot();
  }

  /** Bytes on disk in [start, end), roughly. */
  approximateSize(start: Uint8Array, end: Uint8Array): Promise<number> {
    return this.db.approximateSize(start, end);
  }

  /** Rewrites [start, end) without what was deleted. Blocks this database's compactions, not its reads and writes. */
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void> {
    return this.db.compactRange(start, end);
  }

  close(): Promise<void> {
    return this.db.close();
  }

  #noted(error: unknown): unknown {
    const noted = damageFrom(error, this.location);
    if (isStoreError(noted, "DATA_DAMAGED")) this.onDamaged(noted);
    return noted;
  }
}

/** LevelDB's complaints about its files as DATA_DAMAGED; any other error unchanged. */
export function damageFrom(error: unknown, location: string): unknown {
  const { code, message } = error as { readonly code?: unknown; readonly message?: string };
  const isDamage = code === "LEVEL_CORRUPTION" || (code === "LEVEL_IO_ERROR" && message?.includes("No such file") === true);
  return isDamage ? new StoreError("DATA_DAMAGED", `Cannot read ${location}: ${message}`, { cause: error }) : error;
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

function unseal(key: Uint8Array, stored: Uint8Array, location: string): Buffer {
  const sealed = asBuffer(stored);
  const end = sealed.length - crcBytes;
  const value = sealed.subarray(0, Math.max(0, end));
  if (end < 0 || sealed.readUInt32BE(end) !== checksum(key, value)) {
    throw new StoreError("DATA_DAMAGED", `Cannot read row ${Buffer.from(key).toString("hex")} of ${location}: checksum does not match`);
  }
  return value;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
