// Builds the pages of one bucket from its entries in key order, bottom up.
//
// T1. One page a level is open at a time; a full one is written and named in the level above.
// T2. A page is never empty; a branch has at least two children, except the last of its level.
import { BoltError } from "./errors.js";
import { bucketElementFlag, elementBytes, keyBytesMax, pageFlag, pageHeaderBytes, valueBytesMax, writePageHeader } from "./layout.js";

/** Takes finished pages in the order of their numbers. */
export interface PageSink {
  readonly pageSizeBytes: number;
  /** Reserves `pages` consecutive pages and returns the number of the first; `encode` fills them if the sink wants the bytes. */
  add(pages: number, encode: (id: number) => Buffer): number;
}

interface Element {
  readonly key: Uint8Array;
  /** Leaf: the value. Branch: undefined. */
  readonly value: Uint8Array | undefined;
  /** Leaf: flags. Branch: number of the child. */
  readonly mark: number;
}

interface Level {
  elements: Element[];
  bytes: number;
  pagesWritten: number;
}

export class TreeBuilder {
  readonly #levels: Level[] = [emptyLevel()];
  #last: Uint8Array | undefined;

  constructor(
    private readonly sink: PageSink,
    private readonly name: string,
  ) {}

  get isEmpty(): boolean {
    return this.#last === undefined;
  }

  /** Keys come strictly ascending. Throws BoltError ROWS_INVALID. */
  add(key: Uint8Array, value: Uint8Array, isBucket = false): void {
    const refuse = (reason: string): BoltError => new BoltError("ROWS_INVALID", `Cannot write into bucket ${this.name}: ${reason}`);
    if (key.length === 0) throw refuse("key required");
    if (key.length > keyBytesMax) throw refuse("key too large");
    if (value.length > valueBytesMax) throw refuse("value too large");
    if (this.#last !== undefined && Buffer.compare(this.#last, key) >= 0)
      throw refuse(`key ${Buffer.from(key).toString("hex")} does not follow ${Buffer.from(this.#last).toString("hex")}`);
    this.#last = key;
    this.#addAt(0, { key, value, mark: isBucket ? bucketElementFlag : 0 });
  }

  /** Writes what is open and returns the root's page number. Call once, with at least one entry added. */
  finish(): number {
    for (let depth = 0; ; depth += 1) {
      const level = this.#levels[depth] as Level;
      const isTop = depth === this.#levels.length - 1;
      if (isTop && level.pagesWritten === 0) return this.#write(depth);
      // Nothing open below the top means that the level above names all of it.
      if (level.elements.length > 0) this.#flush(depth);
    }
  }

  #addAt(depth: number, element: Element): void {
    const level = (this.#levels[depth] ??= emptyLevel());
    const size = elementBytes + element.key.length + (element.value?.length ?? 0);
    const fewest = depth === 0 ? 1 : 2;
    if (level.elements.length >= fewest && level.bytes + size > this.sink.pageSizeBytes) this.#flush(depth);
    level.elements.push(element);
    level.bytes += size;
  }

  #flush(depth: number): void {
    const first = (this.#levels[depth] as Level).elements[0] as Element;
    const mark = this.#write(depth);
    this.#addAt(depth + 1, { key: first.key, value: undefined, mark });
  }

  #write(depth: number): number {
    const level = this.#levels[depth] as Level;
    const { elements, bytes } = level;
    const { pageSizeBytes } = this.sink;
    const pages = Math.ceil(bytes / pageSizeBytes);
    const id = this.sink.add(pages, (page) => encodePage(page, elements, { depth, pages, pageSizeBytes }));
    level.elements = [];
    level.bytes = pageHeaderBytes;
    level.pagesWritten += 1;
    return id;
  }
}

function emptyLevel(): Level {
  return { elements: [], bytes: pageHeaderBytes, pagesWritten: 0 };
}

function encodePage(
  id: number,
  elements: readonly Element[],
  shape: { readonly depth: number; readonly pages: number; readonly pageSizeBytes: number },
): Buffer {
  const isLeaf = shape.depth === 0;
  const page = Buffer.alloc(shape.pages * shape.pageSizeBytes);
  writePageHeader(page, { id, flags: isLeaf ? pageFlag.leaf : pageFlag.branch, count: elements.length, overflow: shape.pages - 1 });
  let dataAt = pageHeaderBytes + elements.length * elementBytes;
  for (const [position, { key, value, mark }] of elements.entries()) {
    const at = pageHeaderBytes + position * elementBytes;
    if (isLeaf) {
      page.writeUInt32LE(mark, at);
      page.writeUInt32LE(dataAt - at, at + 4);
      page.writeUInt32LE(key.length, at + 8);
      page.writeUInt32LE(value?.length ?? 0, at + 12);
    } else {
      page.writeUInt32LE(dataAt - at, at);
      page.writeUInt32LE(key.length, at + 4);
      page.writeBigUInt64LE(BigInt(mark), at + 8);
    }
    page.set(key, dataAt);
    if (value !== undefined) page.set(value, dataAt + key.length);
    dataAt += key.length + (value?.length ?? 0);
  }
  return page;
}
