// A copy of a member's data for clients: a database file that etcd opens, in chunks, followed by its SHA-256.
//
// Owns:  a view of the database for as long as the copy takes; writes go on meanwhile.
// B1. Everything comes from one view: what is in it was applied, and nothing after it is.
// B2. The rows are gone over twice, to know the file's size and shape before its first byte; memory does not grow with the data.
// Source: etcd server/etcdserver/api/v3rpc/maintenance.go (Snapshot).
import { createHash } from "node:crypto";
import { type BoltRow, type BoltSourceBucket, boltFilePages, planBoltFile } from "@lenj/bbolt";
import { decodeMain, type Table } from "@lenj/mvcc";
import { MemberRecord } from "@lenj/proto/raft";
import type { LevelBackend } from "../drivers/level/level-backend.js";
import { bucketNames, bucketSources, clusterRows, marksOfTable, metaRows, type Row, revisionRow, type StateMarks } from "./etcd-schema.js";

/** Upstream: snapshotSendBufferSize. */
const chunkBytes = 32 * 1024;

export interface SnapshotChunk {
  readonly blob: Buffer;
  /** Bytes of the database still to come after this chunk. */
  readonly remainingBytes: number;
}

export interface SnapshotOptions {
  /** Ends the copy. */
  readonly signal: AbortSignal;
}

/** The chunks; the last has no remaining bytes and holds the SHA-256 of all others. */
export async function* snapshotChunks(backend: LevelBackend, options: SnapshotOptions): AsyncGenerator<SnapshotChunk, void, undefined> {
  await backend.flush();
  const view = backend.view();
  try {
    const source = await snapshotSource((table) => abortable(backend.rows(table, view), options.signal));
    const plan = await planBoltFile(source);
    const hash = createHash("sha256");
    let sent = 0;
    for await (const blob of rechunk(boltFilePages(source, plan))) {
      hash.update(blob);
      sent += blob.length;
      yield { blob, remainingBytes: plan.sizeBytes - sent };
    }
    yield { blob: hash.digest(), remainingBytes: 0 };
  } finally {
    await view.close();
  }
}

/** The buckets of etcd's database over the tables that `rows` reads. */
async function snapshotSource(rows: (table: Table) => AsyncIterable<readonly Row[]>): Promise<BoltSourceBucket[]> {
  // These are small: some rows, one a member.
  const marks = marksOfTable(await all(rows("meta")));
  const members = (await all(rows("members"))).filter(([key]) => key.length === 8).map(([, value]) => MemberRecord.decode(value));
  return bucketNames.map((name): BoltSourceBucket => {
    if (name === "cluster") return { name, rows: () => [clusterRows] };
    if (name === "meta") return { name, rows: () => [metaRows(marks, members)] };
    const { table, toEtcd } = bucketSources[name];
    if (name === "key") return { name, rows: () => keyRows(rows(table), toEtcd, marks) };
    // Order by ID there is order by text here; these buckets are small but for leases, whose keys stay as they are.
    if (name !== "lease") return { name, rows: () => sorted(rows(table), toEtcd) };
    return { name, rows: () => mapped(rows(table), toEtcd) };
  });
}

type ToEtcd = (row: Row) => Row | undefined;

async function* mapped(rows: AsyncIterable<readonly Row[]>, toEtcd: ToEtcd): AsyncGenerator<readonly BoltRow[]> {
  for await (const chunk of rows) yield chunk.map(toEtcd).filter((row) => row !== undefined);
}

async function* sorted(rows: AsyncIterable<readonly Row[]>, toEtcd: ToEtcd): AsyncGenerator<readonly BoltRow[]> {
  yield (await all(mapped(rows, toEtcd))).sort(([a], [b]) => Buffer.compare(a, b));
}

/** A restore may have moved the revision past the last change; etcd 3.4 takes its revision from the last row. */
async function* keyRows(rows: AsyncIterable<readonly Row[]>, toEtcd: ToEtcd, marks: StateMarks): AsyncGenerator<readonly BoltRow[]> {
  let last = 0;
  for await (const chunk of mapped(rows, toEtcd)) {
    const row = chunk.at(-1);
    if (row !== undefined) last = decodeMain(row[0]);
    yield chunk;
  }
  if (marks.scheduledCompactRevision > last) yield [revisionRow(marks.scheduledCompactRevision)];
}

async function all(rows: AsyncIterable<readonly Row[]>): Promise<Row[]> {
  const found: Row[] = [];
  for await (const chunk of rows) found.push(...chunk);
  return found;
}

async function* abortable(rows: AsyncIterable<readonly Row[]>, signal: AbortSignal): AsyncGenerator<readonly Row[]> {
  signal.throwIfAborted();
  for await (const chunk of rows) {
    signal.throwIfAborted();
    yield chunk;
  }
}

async function* rechunk(pages: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for await (const page of pages) {
    waiting.push(page);
    bytes += page.length;
    if (bytes < chunkBytes) continue;
    const whole = Buffer.concat(waiting);
    let at = 0;
    for (; at + chunkBytes <= whole.length; at += chunkBytes) yield whole.subarray(at, at + chunkBytes);
    waiting = [whole.subarray(at)];
    bytes = whole.length - at;
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}
