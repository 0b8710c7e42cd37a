import { invariant } from "@lenj/base";
import type { LogIndex } from "../types.js";

/**
 * Window of appends sent to one follower and not yet acknowledged, bounded by messages and by bytes. A ring that grows to its bound only
 * when used, since most members never have more than a few in flight.
 */
export class Inflights {
  #indexes: LogIndex[] = [];
  #bytes: number[] = [];
  #start = 0;
  #count = 0;
  #totalBytes = 0;

  constructor(
    readonly maxMessages: number,
    readonly maxBytes: number,
  ) {}

  get count(): number {
    return this.#count;
  }

  isFull(): boolean {
    return this.#count === this.maxMessages || this.#totalBytes >= this.maxBytes;
  }

  /** Notes an append whose last entry is `index`. Indexes come in increasing order. The byte bound may be passed by the last one added. */
  add(index: LogIndex, bytes: number): void {
    invariant(!this.isFull(), () => `cannot add append ${index} to a full window of ${this.#count}`);
    if (this.#count === this.#indexes.length) this.#grow();
    const position = (this.#start + this.#count) % this.#indexes.length;
    this.#indexes[position] = index;
    this.#bytes[position] = bytes;
    this.#count += 1;
    this.#totalBytes += bytes;
  }

  /** Everything through `index` has arrived. */
  freeThrough(index: LogIndex): void {
    while (this.#count > 0 && (this.#indexes[this.#start] as LogIndex) <= index) {
      this.#totalBytes -= this.#bytes[this.#start] as number;
      this.#start = (this.#start + 1) % this.#indexes.length;
      this.#count -= 1;
    }
  }

  reset(): void {
    this.#start = 0;
    this.#count = 0;
    this.#totalBytes = 0;
  }

  #grow(): void {
    const size = Math.min(this.maxMessages, Math.max(8, this.#indexes.length * 2));
    const from = <T>(ring: T[], empty: T): T[] =>
      Array.from({ length: size }, (_, i) => (i < this.#count ? (ring[(this.#start + i) % ring.length] as T) : empty));
    const indexes = from(this.#indexes, 0);
    this.#bytes = from(this.#bytes, 0);
    this.#indexes = indexes;
    this.#start = 0;
  }
}
