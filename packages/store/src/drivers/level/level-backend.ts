// The key space's storage: LevelDB behind an overlay of what is not written yet.
//
// Owns:  the database, the pending group and the group being written.
// Not:   when a client is answered (the raft log is durable by then; this is written behind).
// B1. A group holds whole commands only, and the applied index with them: flushes start between event-loop turns, commands apply in one.
// B2. One group is written at a time, with fsync. A crash loses whole groups from the end; the log replays them.
// B3. Each group leaves a numbered mark. A gap among the last marks means that the database lost a write in the middle; then it is not used.

import { type Clock, invariant, type Timer } from "@lenj/base";
import type { Backend, Table } from "@lenj/mvcc";
import { decodeApplied, encodeApplied } from "../../core/command.js";
import { StoreError } from "../../core/errors.js";
import type { DatabaseView, LevelDatabase, WriteOperation } from "./level-database.js";

/** A group is written this long after its first change, or at once when it has grown to `groupBytesMax`. Upstream: backend commit interval. */
const flushIntervalMs = 100;
const groupBytesMax = 4 * 1024 * 1024;
/** Unwritten bytes past which the owner should apply no more until a flush has ended. */
const congestedBytes = 64 * 1024 * 1024;
const marksKept = 64;

const tablePrefix: Readonly<Record<Table, number>> = { key: 0x6b, lease: 0x6c, meta: 0x6d, members: 0x6e, alarm: 0x61, auth: 0x75 };
const markPrefix = 0x67;
const appliedKey = Buffer.from("applied");

type Overlay = Map<string, { readonly key: Uint8Array; readonly value: Uint8Array | undefined }>;

export class LevelBackend implements Backend {
  #pending: Overlay = new Map();
  #pendingBytes = 0;
  #writing: Overlay | undefined;
  #writingBytes = 0;
  #applied: { readonly index: number; readonly term: number } | undefined;
  #durableIndex = 0;
  #timer: Timer | undefined;
  #flush: Promise<void> | undefined;
  #closed = false;

  private constructor(
    readonly database: LevelDatabase,
    private readonly clock: Clock,
    private nextMark: number,
  ) {}

  /** Called when a write failed; the backend takes no more writes to disk then. */
  onFailure: (error: Error) => void = () => {};
  /** Called with the time each write of a group took. */
  onWritten: (tookMs: number) => void = () => {};
  /** Called after each durable group with the applied index it holds. */
  onDurable: (index: number) => void = () => {};

  /** Takes the database over; on failure it is closed. Throws DATA_DAMAGED. */
  static async open(database: LevelDatabase, clock: Clock): Promise<LevelBackend> {
    try {
      return new LevelBackend(database, clock, (await checkMarks(database)) + 1);
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /** Applied index that is on disk. */
  get durableIndex(): number {
    return this.#durableIndex;
  }

  get isCongested(): boolean {
    return this.#pendingBytes + this.#writingBytes > congestedBytes;
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    const full = fullKey(table, key);
    if (this.#pending.size > 0 || this.#writing !== undefined) {
      const name = full.toString("latin1");
      const found = this.#pending.get(name) ?? this.#writing?.get(name);
      if (found !== undefined) return found.value;
    }
    return this.database.get(full);
  }

  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    this.#stage(fullKey(table, key), value);
  }

  delete(table: Table, key: Uint8Array): void {
    this.#stage(fullKey(table, key), undefined);
  }

  /** Notes that everything through `index` has been applied; travels with the next group. */
  setApplied(index: number, term: number): void {
    this.#applied = { index, term };
    this.#schedule();
  }

  /** Stored rows of a table, key without prefix. Only what is durable: call flush() before. */
  async *rows(table: Table, view?: DatabaseView): AsyncGenerator<readonly (readonly [key: Buffer, value: Buffer])[], void, undefined> {
    const prefix = tablePrefix[table];
    for await (const chunk of this.database.rows(Uint8Array.of(prefix), Uint8Array.of(prefix + 1), view)) {
      yield chunk.map(([key, value]) => [key.subarray(1), value] as const);
    }
  }

  /** What is durable now, for {@link rows}; see LevelDatabase.view. */
  view(): DatabaseView {
    return this.database.view();
  }

  /** What is applied in a view. */
  async appliedIn(view: DatabaseView): Promise<{ readonly index: number; readonly term: number }> {
    const key = fullKey("meta", appliedKey);
    for await (const rows of this.database.rows(key, successorOf(key), view)) {
      for (const [, value] of rows) return decodeApplied(value);
    }
    return { index: 0, term: 0 };
  }

  /** Every stored row of the state after a key, keys with prefix, for snapshots. Only what is durable: call flush() before. */
  async *allRows({
    view,
    after = new Uint8Array(0),
  }: {
    readonly view?: DatabaseView;
    readonly after?: Uint8Array;
  } = {}): AsyncGenerator<readonly (readonly [key: Buffer, value: Buffer])[], void, undefined> {
    const begin = after.length === 0 ? after : successorOf(after);
    for await (const chunk of this.database.rows(begin, Uint8Array.of(0xff), view)) {
      yield chunk.filter(([key]) => key[0] !== markPrefix);
    }
  }

  /** Resolves when everything staged before the call is durable. */
  async flush(): Promise<void> {
    while (this.#flush !== undefined) await this.#flush;
    if (this.#pending.size > 0 || this.#applied !== undefined) {
      this.#startFlush();
      await this.#flush;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.flush();
    this.#closed = true;
    this.#timer?.cancel();
    await this.database.close();
  }

  #stage(key: Buffer, value: Uint8Array | undefined): void {
    invariant(!this.#closed, () => "backend is closed");
    this.#pending.set(key.toString("latin1"), { key, value });
    this.#pendingBytes += key.length + (value?.length ?? 0);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = this.clock.after(this.#pendingBytes >= groupBytesMax ? 0 : flushIntervalMs, () => {
      this.#timer = undefined;
      if (this.#flush === undefined) this.#startFlush();
    });
  }

  #startFlush(): void {
    const group = this.#pending;
    const applied = this.#applied;
    if (group.size === 0 && applied === undefined) return;
    this.#writing = group;
    this.#writingBytes = this.#pendingBytes;
    this.#pending = new Map();
    this.#pendingBytes = 0;
    this.#applied = undefined;
    const operations: WriteOperation[] = [];
    for (const { key, value } of group.values()) operations.push(value === undefined ? { type: "del", key } : { type: "put", key, value });
    if (applied !== undefined)
      operations.push({ type: "put", key: fullKey("meta", appliedKey), value: encodeApplied(applied.index, applied.term) });
    operations.push({ type: "put", key: markKey(this.nextMark), value: new Uint8Array(0) });
    if (this.nextMark > marksKept) operations.push({ type: "del", key: markKey(this.nextMark - marksKept) });
    this.nextMark += 1;
    const startedMs = this.clock.monotonicMs();
    this.#flush = this.database.write(operations).then(
      () => {
        this.onWritten(this.clock.monotonicMs() - startedMs);
        this.#onWritten(applied?.index);
      },
      (error: unknown) => {
        this.#flush = undefined;
        this.#closed = true;
        this.onFailure(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #onWritten(appliedIndex: number | undefined): void {
    this.#flush = undefined;
    this.#writing = undefined;
    this.#writingBytes = 0;
    if (appliedIndex !== undefined) this.#durableIndex = appliedIndex;
    if (this.#pending.size > 0 || this.#applied !== undefined) this.#schedule();
    this.onDurable(this.#durableIndex);
  }
}

/** Applied index and term of a stored state; undefined for an empty one. */
export function readApplied(backend: LevelBackend): Uint8Array | undefined {
  return backend.get("meta", appliedKey);
}

/** The applied mark as a row, for states that are written as a whole. */
export function appliedRow(index: number, term: number): { readonly key: Uint8Array; readonly value: Uint8Array } {
  return { key: fullKey("meta", appliedKey), value: encodeApplied(index, term) };
}

function fullKey(table: Table, key: Uint8Array): Buffer {
  const full = Buffer.allocUnsafe(key.length + 1);
  full[0] = tablePrefix[table];
  full.set(key, 1);
  return full;
}

/** The next key in order. */
const successorOf = (key: Uint8Array): Buffer => Buffer.concat([key, Uint8Array.of(0)]);

function markKey(mark: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = markPrefix;
  key.writeBigUInt64BE(BigInt(mark), 1);
  return key;
}

/** Returns the number of the last group. Throws DATA_DAMAGED when one before it is missing. */
async function checkMarks(database: LevelDatabase): Promise<number> {
  let last = 0;
  for await (const chunk of database.rows(Uint8Array.of(markPrefix), Uint8Array.of(markPrefix + 1))) {
    for (const [key] of chunk) {
      const mark = Number(key.readBigUInt64BE(1));
      if (last !== 0 && mark !== last + 1) {
        throw new StoreError("DATA_DAMAGED", `Cannot use ${database.location}: group ${last + 1} of its writes is missing`);
      }
      last = mark;
    }
  }
  return last;
}
