// The raft log on disk.
//
// Owns:  entries, term and vote.
// Not:   the tail in memory that the core reads (MemoryLog), what entries mean.
// G1. append() resolves when its batch is on disk. Batches are written one at a time, in order; callers gather what waits.
// G2. The head row names first and last index and is written with every batch. Entries outside of it do not count; one missing inside
//     means that the log is damaged, and it is not used.
import type { Entry, EntryType, HardState } from "@lenj/raft";
import { StoreError } from "../../core/errors.js";
import type { LevelDatabase, WriteOperation } from "./level-database.js";

const headKey = Buffer.from("h");
const headLayoutVersion = 1;
const headBytes = 1 + 8 * 6;
const entryPrefix = 0x65;
const entryHeaderBytes = 9;
const entryTypes: readonly EntryType[] = ["normal", "confChange"];

/** What is known of a log besides its entries. */
interface Head {
  readonly hardState: HardState;
  /** Index and term of the entry before the first one held. */
  readonly previousIndex: number;
  readonly previousTerm: number;
  readonly lastIndex: number;
}

export interface StoredLog {
  readonly hardState: HardState;
  readonly previous: { readonly index: number; readonly term: number };
  readonly entries: readonly Entry[];
}

export interface LogWrite {
  readonly hardState?: HardState | undefined;
  /** Consecutive; replaces everything from its first index on. */
  readonly entries: readonly Entry[];
}

export class LevelLog {
  /** Bytes of entries and heads written since the start. */
  writtenBytes = 0;
  #compactTo: { readonly index: number; readonly term: number } | undefined;

  private constructor(
    private readonly database: LevelDatabase,
    private head: Head,
  ) {}

  /**
   * Takes the database over; on failure it is closed. `stored` is undefined for a log that was never written. Throws DATA_DAMAGED.
   */
  static async open(database: LevelDatabase): Promise<{ readonly log: LevelLog; readonly stored: StoredLog | undefined }> {
    try {
      const headRow = database.get(headKey);
      if (headRow === undefined) {
        const head: Head = { hardState: { term: 0, vote: 0n, commit: 0 }, previousIndex: 0, previousTerm: 0, lastIndex: 0 };
        return { log: new LevelLog(database, head), stored: undefined };
      }
      const head = decodeHead(headRow);
      const entries = await readEntries(database, head);
      return {
        log: new LevelLog(database, head),
        stored: { hardState: head.hardState, previous: { index: head.previousIndex, term: head.previousTerm }, entries },
      };
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  get lastIndex(): number {
    return this.head.lastIndex;
  }

  /** Writes several steps as one batch. */
  async append(writes: readonly LogWrite[]): Promise<void> {
    const operations: WriteOperation[] = [];
    let { hardState, previousIndex, previousTerm, lastIndex } = this.head;
    for (const write of writes) {
      hardState = write.hardState ?? hardState;
      if (write.entries.length === 0) continue;
      const first = (write.entries[0] as Entry).index;
      if (first > lastIndex + 1 || first <= previousIndex)
        throw new StoreError("DATA_DAMAGED", `Cannot append at ${first}: the log holds (${previousIndex}, ${lastIndex}]`);
      for (let index = (write.entries.at(-1) as Entry).index + 1; index <= lastIndex; index += 1)
        operations.push({ type: "del", key: entryKey(index) });
      for (const entry of write.entries) operations.push({ type: "put", key: entryKey(entry.index), value: encodeEntry(entry) });
      lastIndex = (write.entries.at(-1) as Entry).index;
    }
    const compactTo = this.#compactTo;
    this.#compactTo = undefined;
    if (compactTo !== undefined && compactTo.index > previousIndex) {
      for (let index = previousIndex + 1; index <= compactTo.index; index += 1) operations.push({ type: "del", key: entryKey(index) });
      previousIndex = compactTo.index;
      previousTerm = compactTo.term;
    }
    await this.#write(operations, { hardState, previousIndex, previousTerm, lastIndex: Math.max(lastIndex, previousIndex) });
  }

  /** Drops entries through `index` with the next append: dropping is never urgent. */
  compactLater(index: number, term: number): void {
    this.#compactTo = { index, term };
  }

  /** Replaces everything: the log goes on after `previous`. */
  async reset(previous: { readonly index: number; readonly term: number }, hardState: HardState): Promise<void> {
    const operations: WriteOperation[] = [];
    for (let index = this.head.previousIndex + 1; index <= this.head.lastIndex; index += 1)
      operations.push({ type: "del", key: entryKey(index) });
    this.#compactTo = undefined;
    await this.#write(operations, { hardState, previousIndex: previous.index, previousTerm: previous.term, lastIndex: previous.index });
  }

  close(): Promise<void> {
    return this.database.close();
  }

  async #write(operations: WriteOperation[], head: Head): Promise<void> {
    operations.push({ type: "put", key: headKey, value: encodeHead(head) });
    this.head = head;
    for (const operation of operations) if (operation.type === "put") this.writtenBytes += operation.key.length + operation.value.length;
    await this.database.write(operations);
  }
}

async function readEntries(database: LevelDatabase, head: Head): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const chunk of database.rows(entryKey(head.previousIndex + 1), entryKey(head.lastIndex + 1))) {
    for (const [key, value] of chunk) {
      const index = Number(key.readBigUInt64BE(1));
      const expected = head.previousIndex + 1 + entries.length;
      if (index !== expected) throw missingEntry(database, expected);
      entries.push(decodeEntry(index, value));
    }
  }
  const found = head.previousIndex + entries.length;
  if (found !== head.lastIndex) throw missingEntry(database, found + 1);
  return entries;
}

function missingEntry(database: LevelDatabase, index: number): StoreError {
  return new StoreError(
    "DATA_DAMAGED",
    `Cannot use ${database.location}: log entry ${index} is missing; remove this member's data and let it join anew`,
  );
}

function entryKey(index: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = entryPrefix;
  key.writeUInt32BE(Math.floor(index / 0x1_0000_0000), 1);
  key.writeUInt32BE(index >>> 0, 5);
  return key;
}

function encodeEntry(entry: Entry): Buffer {
  const bytes = Buffer.allocUnsafe(entryHeaderBytes + entry.data.length);
  bytes.writeBigUInt64BE(BigInt(entry.term), 0);
  bytes[8] = entryTypes.indexOf(entry.type);
  bytes.set(entry.data, entryHeaderBytes);
  return bytes;
}

function decodeEntry(index: number, bytes: Buffer): Entry {
  const type = entryTypes[bytes[8] as number];
  if (type === undefined) throw new StoreError("DATA_DAMAGED", `Cannot decode log entry ${index}: unknown type ${bytes[8]}`);
  return { term: Number(bytes.readBigUInt64BE(0)), index, type, data: bytes.subarray(entryHeaderBytes) };
}

function encodeHead(head: Head): Buffer {
  const bytes = Buffer.alloc(headBytes);
  bytes[0] = headLayoutVersion;
  const { hardState, previousIndex, previousTerm, lastIndex } = head;
  const numbers = [
    BigInt(hardState.term),
    hardState.vote,
    BigInt(hardState.commit),
    BigInt(previousIndex),
    BigInt(previousTerm),
    BigInt(lastIndex),
  ];
  for (const [position, value] of numbers.entries()) bytes.writeBigUInt64BE(value, 1 + position * 8);
  return bytes;
}

function decodeHead(bytes: Buffer): Head {
  if (bytes.length !== headBytes || bytes[0] !== headLayoutVersion) {
    throw new StoreError("DATA_DAMAGED", `Cannot read the log's head: layout version is ${bytes[0]}, must be ${headLayoutVersion}`);
  }
  const at = (position: number): bigint => bytes.readBigUInt64BE(1 + position * 8);
  return {
    hardState: { term: Number(at(0)), vote: at(1), commit: Number(at(2)) },
    previousIndex: Number(at(3)),
    previousTerm: Number(at(4)),
    lastIndex: Number(at(5)),
  };
}
