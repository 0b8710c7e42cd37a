// Header blocks to fields (RFC 7541, section 6).
//
// D1. A block is always decoded to its end, whatever becomes of its fields: the tables of both sides move together.
// D2. Nothing is allocated in proportion to what a block claims, only to what it contains; how many fields are kept is the sink's affair.
import { DynamicTable } from "./dynamic-table.js";
import { HpackError } from "./hpack-error.js";
import { decodeHuffman } from "./huffman.js";
import { staticTable } from "./static-table.js";

export type FieldSink = (name: string, value: string) => void;

/** Larger integers than any length or index that a frame can hold are refused. */
const integerMax = 2 ** 28;

export class HpackDecoder {
  readonly #table: DynamicTable;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  constructor(tableBytesMax: number) {
    this.#table = new DynamicTable(tableBytesMax);
  }

  /** Changes with the dynamic table: while it stands still, the same bytes mean the same fields. */
  get generation(): number {
    return this.#table.generation;
  }

  /** Throws {@link HpackError}; then this decoder is of no further use. */
  decode(bytes: Buffer, start: number, end: number, sink: FieldSink): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    let isFirst = true;
    while (this.#at < end) {
      const byte = bytes[this.#at] as number;
      if (byte >= 0x80) {
        this.#indexed(this.#integer(7), sink);
      } else if (byte >= 0x40) {
        const name = this.#name(this.#integer(6));
        const value = this.#string();
        this.#table.add(name, value);
        sink(name, value);
      } else if (byte >= 0x20) {
        // Section 4.2: a change of size comes before the first field of a block.
        if (!isFirst) throw new HpackError("Table size update after a field");
        this.#table.resize(this.#integer(5));
        continue;
      } else {
        const name = this.#name(this.#integer(4));
        sink(name, this.#string());
      }
      isFirst = false;
    }
  }

  #indexed(index: number, sink: FieldSink): void {
    if (index === 0) throw new HpackError("Header index is zero");
    const entry = staticTable[index - 1];
    if (entry !== undefined) {
      sink(entry[0], entry[1]);
      return;
    }
    const { name, value } = this.#table.at(index - 1 - staticTable.length);
    sink(name, value);
  }

  #name(index: number): string {
    if (index === 0) return this.#string();
    return staticTable[index - 1]?.[0] ?? this.#table.at(index - 1 - staticTable.length).name;
  }

  /** Section 5.1. `prefixBits` of the byte at hand belong to the number. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (this.#bytes[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let factor = 1; ; factor *= 128) {
      if (this.#at >= this.#end) throw new HpackError("Header block ends within a number");
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 127) * factor;
      if (value > integerMax || factor > integerMax) throw new HpackError("Number in a header block is too large");
      if (byte < 128) return value;
    }
  }

  /** Section 5.2. */
  #string(): string {
    if (this.#at >= this.#end) throw new HpackError("Header block ends before a string");
    const isHuffman = (this.#bytes[this.#at] as number) >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    if (length > this.#end - start) throw new HpackError("Header block ends within a string");
    this.#at = start + length;
    return isHuffman ? decodeHuffman(this.#bytes, start, this.#at) : this.#bytes.toString("latin1", start, this.#at);
  }
}
