// What header blocks mean, looked up by their bytes.
//
// A client's requests repeat byte for byte once its dynamic table is warm, so decoding is mostly this lookup.
// H1. An entry is valid only for the generation of the decoder's dynamic table in which it was made.
import { HpackDecoder } from "./hpack/decoder.js";
import { headCacheBlockBytesMax, headCacheEntriesMax, headerTableBytes } from "./limits.js";
import { type HeadFault, HeadReader, type RequestHead } from "./request-head.js";

export class HeadCache<Head> {
  readonly #decoder = new HpackDecoder(headerTableBytes);
  readonly #reader = new HeadReader();
  readonly #heads = new Map<string, Head>();
  #generation = 0;

  /** @param resolve adds to a well-formed head what the driver knows of it. */
  constructor(private readonly resolve: (head: RequestHead) => Head) {}

  /** Throws HpackError. */
  request(bytes: Buffer, start: number, end: number): Head | HeadFault {
    const isShort = end - start <= headCacheBlockBytesMax;
    const key = isShort ? bytes.toString("latin1", start, end) : "";
    if (isShort) {
      const known = this.#heads.get(key);
      if (known !== undefined) return known;
    }
    const before = this.#decoder.generation;
    this.#decode(bytes, start, end);
    const head = this.#reader.request();
    if (typeof head === "string") return head;
    const resolved = this.resolve(head);
    if (isShort && this.#decoder.generation === before) {
      if (this.#heads.size >= headCacheEntriesMax) this.#heads.clear();
      this.#heads.set(key, resolved);
    }
    return resolved;
  }

  trailers(bytes: Buffer, start: number, end: number): HeadFault | undefined {
    this.#decode(bytes, start, end);
    return this.#reader.trailers();
  }

  #decode(bytes: Buffer, start: number, end: number): void {
    this.#reader.reset();
    this.#decoder.decode(bytes, start, end, this.#reader.onField);
    if (this.#decoder.generation === this.#generation) return;
    this.#generation = this.#decoder.generation;
    this.#heads.clear();
  }
}
