import { HpackError } from "./hpack-error.js";

/** What an entry costs beyond its texts (RFC 7541, section 4.1). */
export const entryOverheadBytes = 32;

interface Entry {
  readonly name: string;
  readonly value: string;
  readonly bytes: number;
}

/** The decoder's dynamic table: first in, first out, bounded by bytes (RFC 7541, sections 2.3.2 and 4). */
export class DynamicTable {
  /** Oldest first; positions before `#oldest` are evicted. */
  #entries: (Entry | undefined)[] = [];
  #oldest = 0;
  #bytes = 0;
  #bytesMax: number;
  /** Changes whenever an index may mean something else than before. */
  generation = 0;

  /** @param bytesLimit what the other side may raise the table to: our SETTINGS_HEADER_TABLE_SIZE. */
  constructor(readonly bytesLimit: number) {
    this.#bytesMax = bytesLimit;
  }

  get length(): number {
    return this.#entries.length - this.#oldest;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Position 0 is the newest entry. */
  at(position: number): Entry {
    const entry = position < this.length ? this.#entries[this.#entries.length - 1 - position] : undefined;
    if (entry === undefined) throw new HpackError("Header index is beyond the tables");
    return entry;
  }

  add(name: string, value: string): void {
    const bytes = name.length + value.length + entryOverheadBytes;
    this.generation += 1;
    this.#evict(this.#bytesMax - bytes);
    // An entry larger than the table empties it, and that is no error (section 4.4).
    if (bytes > this.#bytesMax) return;
    this.#entries.push({ name, value, bytes });
    this.#bytes += bytes;
  }

  resize(bytesMax: number): void {
    if (bytesMax > this.bytesLimit) throw new HpackError("Table size update is above the limit that was set");
    this.generation += 1;
    this.#bytesMax = bytesMax;
    this.#evict(bytesMax);
  }

  #evict(bytesLeft: number): void {
    while (this.#bytes > bytesLeft && this.length > 0) {
      this.#bytes -= (this.#entries[this.#oldest] as Entry).bytes;
      this.#entries[this.#oldest++] = undefined;
    }
    if (this.#oldest > 64 && this.#oldest > this.length) {
      this.#entries = this.#entries.slice(this.#oldest);
      this.#oldest = 0;
    }
  }
}
