// Reads a bbolt file: buckets by name or in order, their entries in key order, one leaf page in memory at a time.
//
// Owns:  nothing; the file is its opener's.
// R1. Every page is checked before use: its own number, kind, that elements lie inside it, that it lies below the high-water mark.
// R2. Keys of a bucket come strictly ascending. A tree that is damaged into a loop repeats keys, so iteration ends with an error.
import {
  type BoltFile,
  bucketElementFlag,
  bucketHeaderBytes,
  damaged,
  elementBytes,
  kindOf,
  pageFlag,
  pageHeaderBytes,
  readPageHeader,
  readPageID,
} from "./layout.js";
import { type BoltMeta, readMeta } from "./meta.js";

/** Branch levels past which a tree cannot be a tree: each level at least doubles what it reaches. */
const depthMax = 64;

export interface BoltBucket {
  /** Number of the root page; 0 when the entries are inside the bucket's own value. */
  readonly root: number;
  readonly sequence: bigint;
  /** The leaf page of an inline bucket. */
  readonly inline: Buffer | undefined;
  /** Page that an error names when the bucket is inline. */
  readonly heldBy: number;
}

export interface BoltEntry {
  readonly key: Buffer;
  readonly value: Buffer;
  /** The value is a bucket; see {@link BoltReader.bucketOf}. */
  readonly isBucket: boolean;
}

/** A page of a tree as it was visited: its number and how many more pages belong to it. */
export interface VisitedPage {
  readonly id: number;
  readonly overflow: number;
}

interface Leaf {
  readonly id: number;
  readonly bytes: Buffer;
  readonly count: number;
}

interface BranchFrame {
  readonly children: readonly number[];
  next: number;
}

export class BoltReader {
  private constructor(
    private readonly file: BoltFile,
    readonly meta: BoltMeta,
  ) {}

  /** Throws BoltError INVALID when the file is not a bbolt database. */
  static async open(file: BoltFile): Promise<BoltReader> {
    return new BoltReader(file, await readMeta(file));
  }

  /** Size of the database in bytes: all pages below the high-water mark. */
  get sizeBytes(): number {
    return this.meta.highWater * this.meta.pageSizeBytes;
  }

  /** The bucket that holds the buckets. */
  get rootBucket(): BoltBucket {
    return { root: this.meta.root, sequence: 0n, inline: undefined, heldBy: 0 };
  }

  /** The buckets of `parent` (default: of the file), by name. */
  async *buckets(parent: BoltBucket = this.rootBucket): AsyncGenerator<{ readonly name: Buffer; readonly bucket: BoltBucket }> {
    for await (const entries of this.entries(parent))
      for (const entry of entries) if (entry.isBucket) yield { name: entry.key, bucket: this.bucketOf(entry, parent.root) };
  }

  async bucket(name: string | Uint8Array, parent: BoltBucket = this.rootBucket): Promise<BoltBucket | undefined> {
    const entry = await this.#find(parent, Buffer.from(name as Uint8Array));
    return entry?.isBucket === true ? this.bucketOf(entry, parent.root) : undefined;
  }

  bucketOf(entry: BoltEntry, heldBy: number): BoltBucket {
    const { value } = entry;
    if (!entry.isBucket || value.length < bucketHeaderBytes) throw damaged(heldBy, "an entry holds no bucket");
    const root = readPageID(value, 0);
    if (root === 0 && value.length < bucketHeaderBytes + pageHeaderBytes) throw damaged(heldBy, "an inline bucket is cut short");
    return {
      root,
      sequence: value.readBigUInt64LE(8),
      inline: root === 0 ? value.subarray(bucketHeaderBytes) : undefined,
      heldBy,
    };
  }

  /** The value of a plain key; undefined when there is none, or it is a bucket. */
  async get(bucket: BoltBucket, key: Uint8Array): Promise<Buffer | undefined> {
    const entry = await this.#find(bucket, Buffer.from(key));
    return entry === undefined || entry.isBucket ? undefined : entry.value;
  }

  /** Entries in key order, a leaf page at a time. `onPage` hears of every page that is read. Throws BoltError DAMAGED. */
  async *entries(bucket: BoltBucket, onPage: (page: VisitedPage) => void = () => {}): AsyncGenerator<readonly BoltEntry[]> {
    if (bucket.inline !== undefined) {
      const entries = readLeaf(inlineLeaf(bucket));
      checkOrder(entries, undefined, bucket.heldBy);
      yield entries;
      return;
    }
    const path: BranchFrame[] = [{ children: [bucket.root], next: 0 }];
    let last: Buffer | undefined;
    while (path.length > 0) {
      const frame = path.at(-1) as BranchFrame;
      const id = frame.children[frame.next];
      if (id === undefined) {
        path.pop();
        continue;
      }
      frame.next += 1;
      const page = await this.readPage(id, onPage);
      if ((page.flags & pageFlag.branch) !== 0) {
        if (path.length > depthMax) throw damaged(id, `it is more than ${depthMax} levels below the root`);
        path.push({ children: readBranch(page).map(({ child }) => child), next: 0 });
        continue;
      }
      const entries = readLeaf(page);
      checkOrder(entries, last, id);
      last = entries.at(-1)?.key ?? last;
      yield entries;
    }
  }

  /** Numbers of the free pages. */
  async freePages(onPage: (page: VisitedPage) => void = () => {}): Promise<number[]> {
    if (this.meta.freelist === undefined) return [];
    const page = await this.readPage(this.meta.freelist, onPage);
    if ((page.flags & pageFlag.freelist) === 0) throw damaged(page.id, `its kind is ${kindOf(page.flags)}, must be freelist`);
    const isLong = page.count === 0xffff;
    const count = isLong ? readPageID(page.bytes, pageHeaderBytes) : page.count;
    const start = pageHeaderBytes + (isLong ? 8 : 0);
    if (start + count * 8 > page.bytes.length) throw damaged(page.id, `its ${count} page numbers do not fit into it`);
    return Array.from({ length: count }, (_unused, position) => readPageID(page.bytes, start + position * 8));
  }

  async readPage(id: number, onPage: (page: VisitedPage) => void = () => {}): Promise<Leaf & { readonly flags: number }> {
    const { pageSizeBytes, highWater } = this.meta;
    if (!(id >= 2 && id < highWater)) throw damaged(id, `it lies outside of the ${highWater} pages in use`);
    if ((id + 1) * pageSizeBytes > this.file.sizeBytes) throw damaged(id, "the file ends before it");
    const head = await this.file.read(id * pageSizeBytes, pageSizeBytes);
    const header = readPageHeader(head);
    if (header.id !== id) throw damaged(id, `it says that it is page ${header.id}`);
    if (id + header.overflow >= highWater) throw damaged(id, `its ${header.overflow} overflow pages pass the ${highWater} pages in use`);
    const end = (id + 1 + header.overflow) * pageSizeBytes;
    if (end > this.file.sizeBytes) throw damaged(id, "the file ends inside its overflow pages");
    onPage({ id, overflow: header.overflow });
    const bytes = header.overflow === 0 ? head : await this.file.read(id * pageSizeBytes, (1 + header.overflow) * pageSizeBytes);
    return { id, bytes, count: header.count, flags: header.flags };
  }

  async #find(bucket: BoltBucket, key: Buffer): Promise<BoltEntry | undefined> {
    if (bucket.inline !== undefined) return readLeaf(inlineLeaf(bucket)).find((entry) => entry.key.equals(key));
    let id = bucket.root;
    for (let depth = 0; depth <= depthMax; depth += 1) {
      const page = await this.readPage(id);
      if ((page.flags & pageFlag.branch) === 0) return readLeaf(page).find((entry) => entry.key.equals(key));
      const elements = readBranch(page);
      // The last child whose first key is not past the wanted one; the first child takes what is below all.
      const position = elements.findIndex((element) => element.key.compare(key) > 0);
      id = (elements[position < 0 ? elements.length - 1 : Math.max(0, position - 1)] as { child: number }).child;
    }
    throw damaged(id, `it is more than ${depthMax} levels below the root`);
  }
}

function inlineLeaf(bucket: BoltBucket): Leaf & { readonly flags: number } {
  const bytes = bucket.inline as Buffer;
  const { flags, count } = readPageHeader(bytes);
  return { id: bucket.heldBy, bytes, count, flags };
}

function readLeaf(page: Leaf & { readonly flags: number }): BoltEntry[] {
  if ((page.flags & pageFlag.leaf) === 0) throw damaged(page.id, `its kind is ${kindOf(page.flags)}, must be branch or leaf`);
  const entries: BoltEntry[] = [];
  for (let position = 0; position < page.count; position += 1) {
    const at = pageHeaderBytes + position * elementBytes;
    if (at + elementBytes > page.bytes.length) throw damaged(page.id, `its ${page.count} elements do not fit into it`);
    const keyAt = at + page.bytes.readUInt32LE(at + 4);
    const valueAt = keyAt + page.bytes.readUInt32LE(at + 8);
    const end = valueAt + page.bytes.readUInt32LE(at + 12);
    if (end > page.bytes.length) throw damaged(page.id, `leaf element ${position} ends at ${end}, the page has ${page.bytes.length} bytes`);
    const isBucket = (page.bytes.readUInt32LE(at) & bucketElementFlag) !== 0;
    entries.push({ key: page.bytes.subarray(keyAt, valueAt), value: page.bytes.subarray(valueAt, end), isBucket });
  }
  return entries;
}

function readBranch(page: Leaf): { readonly key: Buffer; readonly child: number }[] {
  const elements: { readonly key: Buffer; readonly child: number }[] = [];
  for (let position = 0; position < page.count; position += 1) {
    const at = pageHeaderBytes + position * elementBytes;
    if (at + elementBytes > page.bytes.length) throw damaged(page.id, `its ${page.count} elements do not fit into it`);
    const keyAt = at + page.bytes.readUInt32LE(at);
    const end = keyAt + page.bytes.readUInt32LE(at + 4);
    if (end > page.bytes.length)
      throw damaged(page.id, `branch element ${position} ends at ${end}, the page has ${page.bytes.length} bytes`);
    elements.push({ key: page.bytes.subarray(keyAt, end), child: readPageID(page.bytes, at + 8) });
  }
  if (elements.length === 0) throw damaged(page.id, "it is a branch without elements");
  return elements;
}

function checkOrder(entries: readonly BoltEntry[], before: Buffer | undefined, page: number): void {
  let last = before;
  for (const [position, { key }] of entries.entries()) {
    if (last !== undefined && last.compare(key) >= 0) throw damaged(page, `leaf element ${position} does not follow the key before it`);
    last = key;
  }
}
