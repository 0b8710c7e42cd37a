// Newest values of keys, kept in memory up to a bound.
//
// C1. `entry.latest`, when set, is the value at the last pair of `entry.history`.
// C2. Their sizes, plus a fixed cost each, sum to at most `bytesMax`; past it the ones cached longest ago go first
//     (a value read again comes back at the cost of one read).
// C3. `entry.cacheSlot` is the slot that stands for the cached value; other slots with the entry are dead and hold no bytes.
import type { KeyEntry } from "./key-entry.js";
import type { EncodedKeyValue } from "./key-value.js";

/** What a typed array costs beside its bytes. */
const overheadBytes = 208;
/** Dead slots tolerated before they are swept. */
const deadSlotsMax = 4_096;

export class ValueCache {
  /** Entries in the order they were cached; slot numbers count on from `#firstSlot`. */
  #order: KeyEntry[] = [];
  #firstSlot = 0;
  #live = 0;
  #bytes = 0;

  constructor(private readonly bytesMax: number) {}

  set(entry: KeyEntry, value: EncodedKeyValue): void {
    this.forget(entry);
    entry.latest = value;
    entry.cacheSlot = this.#firstSlot + this.#order.length;
    this.#order.push(entry);
    this.#live += 1;
    this.#bytes += value.length + overheadBytes;
    if (this.#bytes > this.bytesMax) this.#evict();
    if (this.#order.length - this.#live > deadSlotsMax + this.#live) this.#sweep();
  }

  forget(entry: KeyEntry): void {
    if (entry.latest === undefined) return;
    this.#bytes -= entry.latest.length + overheadBytes;
    this.#live -= 1;
    entry.latest = undefined;
  }

  /** Frees a tenth more than needed, so that eviction is not done one by one at the bound. */
  #evict(): void {
    let offset = 0;
    for (; this.#bytes > this.bytesMax * 0.9 && offset < this.#order.length; offset += 1) {
      const entry = this.#order[offset] as KeyEntry;
      if (entry.cacheSlot === this.#firstSlot + offset) this.forget(entry);
    }
    this.#order = this.#order.slice(offset);
    this.#firstSlot += offset;
  }

  #sweep(): void {
    const live = this.#order.filter((entry, offset) => entry.latest !== undefined && entry.cacheSlot === this.#firstSlot + offset);
    this.#firstSlot += this.#order.length;
    for (const [offset, entry] of live.entries()) entry.cacheSlot = this.#firstSlot + offset;
    this.#order = live;
  }
}
