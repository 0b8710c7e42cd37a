// The raft log on disk.
//
// Owns:  entries, term and vote.
// Not:   the tail in memory that the core reads (MemoryLog), what entries mean.
// G1. append() resolves when its batch is on disk. Batches are written one at a time, in order; callers gather what waits.
// G2. The head row names first and last index and is written with every batch. Entries outside of it do not count; one missing inside
//     means that the log is damaged, and it is not used.
// G3. Entries stand in rows of several; where each row begins is known in memory. A row that loses its end is written anew, one that loses
//     its beginning stays until all of it is cut.
import type { Entry, HardState } from "@lenj/raft";
import { StoreError } from "../../core/errors.js";
import type { LevelDatabase, WriteOperation } from "./level-database.js";
import { decodeRow, encodeRows, indexOfRow, rowKey, rowsEnd } from "./log-rows.js";

const headKey = Buffer.from("h");
/** 1 had a row for each entry. */
const headLayoutVersion = 2;
const headBytes = 1 + 8 * 6;

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
    /** First index of each row, ascending. */
    private rows: number[],
  ) {}

  /**
   * Takes the database over; on failure it is closed. `stored` is undefined for a log that was never written. Throws DATA_DAMAGED.
   */
  static async open(database: LevelDatabase): Promise<{ readonly log: LevelLog; readonly stored: StoredLog | undefined }> {
    try {
      const headRow = database.get(headKey);
      if (headRow === undefined) {
        const head: Head = { hardState: { term: 0, vote: 0n, commit: 0 }, previousIndex: 0, previousTerm: 0, lastIndex: 0 };
        return { log: new LevelLog(database, head, []), stored: undefined };
      }
      const head = decodeHead(headRow);
      const { entries, rows } = await readEntries(database, head);
      return {
        log: new LevelLog(database, head, rows),
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
    let added: Entry[] = [];
    for (const write of writes) {
      hardState = write.hardState ?? hardState;
      const first = write.entries[0]?.index;
      if (first === undefined) continue;
      if (first > lastIndex + 1 || first <= previousIndex)
        throw new StoreError("DATA_DAMAGED", `Cannot append at ${first}: the log holds (${previousIndex}, ${lastIndex}]`);
      const kept = first - (added[0]?.index ?? first);
      added = kept <= 0 ? [...write.entries] : [...added.slice(0, kept), ...write.entries];
      lastIndex = first + write.entries.length - 1;
    }
    if (added[0] !== undefined) operations.push(...this.#cutAfter(added[0].index - 1));
    this.#addRows(added, operations);
    const compactTo = this.#compactTo;
    this.#compactTo = undefined;
    if (compactTo !== undefined && compactTo.index > previousIndex) {
      previousIndex = compactTo.index;
      previousTerm = compactTo.term;
      operations.push(...this.#cutThrough(previousIndex, lastIndex));
    }
    await this.#write(operations, { hardState, previousIndex, previousTerm, lastIndex: Math.max(lastIndex, previousIndex) });
  }

  /** Drops entries through `index` with the next append: dropping is never urgent. */
  compactLater(index: number, term: number): void {
    this.#compactTo = { index, term };
  }

  /** Replaces everything: the log goes on after `previous`. */
  async reset(previous: { readonly index: number; readonly term: number }, hardState: HardState): Promise<void> {
    const operations = this.rows.map((index): WriteOperation => ({ type: "del", key: rowKey(index) }));
    this.rows = [];
    this.#compactTo = undefined;
    await this.#write(operations, { hardState, previousIndex: previous.index, previousTerm: previous.term, lastIndex: previous.index });
  }

  close(): Promise<void> {
    return this.database.close();
  }

  /** Takes away everything after `index`. */
  #cutAfter(index: number): WriteOperation[] {
    const operations: WriteOperation[] = [];
    let last = this.rows.at(-1);
    for (; last !== undefined && last > index; last = this.rows.at(-1)) {
      operations.push({ type: "del", key: rowKey(last) });
      this.rows.pop();
    }
    if (last === undefined || index >= this.head.lastIndex) return operations;
    const key = rowKey(last);
    const stored = this.database.get(key);
    if (stored === undefined) throw missingEntry(this.database, last);
    this.rows.pop();
    this.#addRows(decodeRow(key, stored).slice(0, index - last + 1), operations);
    return operations;
  }

  /** Takes away rows that end at `index` or before. */
  #cutThrough(index: number, lastIndex: number): WriteOperation[] {
    const endOf = (position: number): number => (this.rows[position + 1] ?? lastIndex + 1) - 1;
    let count = 0;
    while (count < this.rows.length && endOf(count) <= index) count += 1;
    return this.rows.splice(0, count).map((first) => ({ type: "del", key: rowKey(first) }));
  }

  #addRows(entries: readonly Entry[], operations: WriteOperation[]): void {
    for (const { index, key, value } of encodeRows(entries)) {
      operations.push({ type: "put", key, value });
      this.rows.push(index);
    }
  }

  async #write(operations: WriteOperation[], head: Head): Promise<void> {
    operations.push({ type: "put", key: headKey, value: encodeHead(head) });
    this.head = head;
    for (const operation of operations) if (operation.type === "put") this.writtenBytes += operation.key.length + operation.value.length;
    await this.database.write(operations);
  }
}

async function readEntries(database: LevelDatabase, head: Head): Promise<{ readonly entries: Entry[]; readonly rows: number[] }> {
  const entries: Entry[] = [];
  const rows: number[] = [];
  for await (const chunk of database.rows(rowKey(0), rowsEnd)) {
    for (const [key, value] of chunk) {
      rows.push(indexOfRow(key));
      for (const entry of decodeRow(key, value)) {
        if (entry.index <= head.previousIndex || entry.index > head.lastIndex) continue;
        const expected = head.previousIndex + 1 + entries.length;
        if (entry.index !== expected) throw missingEntry(database, expected);
        entries.push(entry);
      }
    }
  }
  const found = head.previousIndex + entries.length;
  if (found !== head.lastIndex) throw missingEntry(database, found + 1);
  return { entries, rows };
}

function missingEntry(database: LevelDatabase, index: number): StoreError {
  return new StoreError("DATA_DAMAGED", `Cannot use ${database.location}: log entry ${index} is missing`);
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
