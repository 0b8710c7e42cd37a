// Writes a bbolt file in one go, in file order: two meta pages, an empty freelist, the buckets' pages, the bucket of buckets.
//
// W1. The meta pages come first and name the root, which is written last; so the rows are gone over twice, and must be the same both times.
// W2. Every page below the high-water mark is in use: nothing is free.
import { BoltError } from "./errors.js";
import { bucketHeaderBytes, defaultPageSizeBytes, pageFlag, pageHeaderBytes, writePageHeader } from "./layout.js";
import { encodeMetaPage } from "./meta.js";
import { type PageSink, TreeBuilder } from "./tree-builder.js";

export type BoltRow = readonly [key: Uint8Array, value: Uint8Array];

export interface BoltSourceBucket {
  readonly name: string;
  /** Its rows in key order, in chunks. Called once for each pass; both passes must get the same rows. */
  rows(): AsyncIterable<readonly BoltRow[]> | Iterable<readonly BoltRow[]>;
}

/** Where everything stands in a file still to be written. */
export interface BoltPlan {
  readonly pageSizeBytes: number;
  readonly root: number;
  readonly pages: number;
  readonly sizeBytes: number;
}

const freelistPage = 2;
const firstTreePage = 3;

/** Goes over all rows to find out what the file will look like. Buckets come in the order of their names. Throws BoltError ROWS_INVALID. */
export async function planBoltFile(source: readonly BoltSourceBucket[], pageSizeBytes = defaultPageSizeBytes): Promise<BoltPlan> {
  const sink = new CountingSink(pageSizeBytes);
  const build = buildBuckets(source, sink);
  for (;;) {
    const step = await build.next();
    if (step.done === true) return { pageSizeBytes, root: step.value, pages: sink.next, sizeBytes: sink.next * pageSizeBytes };
  }
}

/** The file's bytes, in order, one or more pages at a time. Throws BoltError ROWS_INVALID when the rows are not those of the plan. */
export async function* boltFilePages(source: readonly BoltSourceBucket[], plan: BoltPlan): AsyncGenerator<Buffer, void, undefined> {
  const { pageSizeBytes, root, pages } = plan;
  for (const transaction of [2n, 1n]) yield encodeMetaPage({ pageSizeBytes, root, freelist: freelistPage, highWater: pages, transaction });
  const freelist = Buffer.alloc(pageSizeBytes);
  writePageHeader(freelist, { id: freelistPage, flags: pageFlag.freelist, count: 0, overflow: 0 });
  yield freelist;
  const sink = new CollectingSink(pageSizeBytes);
  const build = buildBuckets(source, sink);
  for (;;) {
    const step = await build.next();
    yield* sink.take();
    if (step.done !== true) continue;
    if (step.value !== root || sink.next !== pages)
      throw new BoltError("ROWS_INVALID", `Cannot write database: the rows make ${sink.next} pages, the plan was made for ${pages}`);
    return;
  }
}

/** Hands all pages to the sink; yields after each chunk of rows, returns the root's page number. */
async function* buildBuckets(source: readonly BoltSourceBucket[], sink: PageSink): AsyncGenerator<undefined, number, undefined> {
  const names = new TreeBuilder(sink, "of buckets");
  for (const bucket of source) {
    const tree = new TreeBuilder(sink, bucket.name);
    for await (const chunk of bucket.rows()) {
      for (const [key, value] of chunk) tree.add(key, value);
      yield;
    }
    names.add(Buffer.from(bucket.name), tree.isEmpty ? emptyBucket() : bucketValue(tree.finish()), true);
  }
  if (names.isEmpty) throw new BoltError("ROWS_INVALID", "Cannot write database: there is no bucket");
  return names.finish();
}

class CountingSink implements PageSink {
  next = firstTreePage;
  constructor(readonly pageSizeBytes: number) {}

  add(pages: number, _encode: (id: number) => Buffer): number {
    const id = this.next;
    this.next += pages;
    return id;
  }
}

class CollectingSink extends CountingSink {
  #ready: Buffer[] = [];

  override add(pages: number, encode: (id: number) => Buffer): number {
    const id = super.add(pages, encode);
    this.#ready.push(encode(id));
    return id;
  }

  take(): Buffer[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }
}

function bucketValue(root: number): Buffer {
  const value = Buffer.alloc(bucketHeaderBytes);
  value.writeBigUInt64LE(BigInt(root), 0);
  return value;
}

/** A bucket without entries has no page of its own. */
function emptyBucket(): Buffer {
  const value = Buffer.alloc(bucketHeaderBytes + pageHeaderBytes);
  writePageHeader(value.subarray(bucketHeaderBytes), { id: 0, flags: pageFlag.leaf, count: 0, overflow: 0 });
  return value;
}
