import { invariant } from "@lenj/base";
import type { KeyEntry } from "./key-entry.js";

/** First-in first-out list of changes, each with the revision at which it became droppable. */
export class DropList {
  #at: number[] = [];
  #entries: KeyEntry[] = [];
  #mains: number[] = [];
  #head = 0;

  /** Revision at which the oldest item became droppable; Infinity when the list is empty. */
  get firstAt(): number {
    return this.#at[this.#head] ?? Number.POSITIVE_INFINITY;
  }

  /** `at` never goes down from one call to the next. */
  push(at: number, entry: KeyEntry, main: number): void {
    this.#at.push(at);
    this.#entries.push(entry);
    this.#mains.push(main);
  }

  shift(): { readonly entry: KeyEntry; readonly main: number } {
    const entry = this.#entries[this.#head];
    const main = this.#mains[this.#head];
    invariant(entry !== undefined && main !== undefined, () => "drop list is empty");
    this.#head += 1;
    if (this.#head > 4_096 && this.#head * 2 > this.#at.length) this.#trim();
    return { entry, main };
  }

  #trim(): void {
    this.#at = this.#at.slice(this.#head);
    this.#entries = this.#entries.slice(this.#head);
    this.#mains = this.#mains.slice(this.#head);
    this.#head = 0;
  }
}
