// Whether a file's pages are each in use exactly once or free. Upstream: Tx.Check.
import { BoltError } from "./errors.js";
import type { BoltBucket, BoltReader, VisitedPage } from "./reader.js";

/** Problems past which nothing new is learnt. */
const problemsMax = 100;

/** Reads every page; returns what is wrong, in upstream's words where it has some. One bit of memory a page. */
export async function checkBoltFile(reader: BoltReader): Promise<string[]> {
  const { highWater } = reader.meta;
  const problems: string[] = [];
  const report = (problem: string): void => {
    if (problems.length < problemsMax) problems.push(problem);
  };
  const isFree = new PageSet(highWater);
  const isReached = new PageSet(highWater);
  const onPage = (page: VisitedPage): void => {
    for (let id = page.id; id <= page.id + page.overflow; id += 1) {
      if (isReached.has(id)) report(`page ${id}: multiple references`);
      if (isFree.has(id)) report(`page ${id}: reachable freed`);
      isReached.add(id);
    }
  };
  try {
    for (const id of await reader.freePages(onPage)) {
      if (!(id >= 2 && id < highWater)) report(`page ${id}: out of bounds: ${highWater}`);
      else if (isFree.has(id)) report(`page ${id}: already freed`);
      else isFree.add(id);
    }
    await visit(reader, reader.rootBucket, onPage);
  } catch (error) {
    if (!(error instanceof BoltError)) throw error;
    // What a page that cannot be read led to is not known, so that unreached pages say nothing.
    report(error.message);
    return problems;
  }
  // A file without a freelist (etcd writes such) leaves it to its next opener to find out: what is not reached is free.
  if (reader.meta.freelist === undefined) return problems;
  for (let id = 2; id < highWater; id += 1) if (!isReached.has(id) && !isFree.has(id)) report(`page ${id}: unreachable unfreed`);
  return problems;
}

async function visit(reader: BoltReader, bucket: BoltBucket, onPage: (page: VisitedPage) => void): Promise<void> {
  for await (const entries of reader.entries(bucket, onPage))
    for (const entry of entries) if (entry.isBucket) await visit(reader, reader.bucketOf(entry, bucket.root), onPage);
}

class PageSet {
  readonly #bits: Uint8Array;
  constructor(size: number) {
    this.#bits = new Uint8Array(Math.ceil(size / 8));
  }
  has(id: number): boolean {
    return ((this.#bits[id >>> 3] as number) & (1 << (id & 7))) !== 0;
  }
  add(id: number): void {
    this.#bits[id >>> 3] = (this.#bits[id >>> 3] as number) | (1 << (id & 7));
  }
}
