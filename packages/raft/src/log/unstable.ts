// The part of the log that is not known to be durable, and the writes that are making it so.
//
// U1. entries[i].index = offset + i; everything before `offset` is in storage.
// U2. Entries before `offsetHandedOut` were handed out by a Ready, in order, and later Readys only overwrite from a lower index on.
// U3. A finished write makes durable what it wrote and nobody has overwritten since: each truncation cuts the claims of writes under way.
//     (Otherwise the end of an old write of index 7 would vouch for a newer entry 7, the ABA problem.)

import { invariant } from "@lenj/base";
import type { Entry, LogIndex, Snapshot } from "../types.js";

interface Write {
  readonly number: number;
  /** Last entry it makes durable; 0 for none. */
  through: LogIndex;
  readonly snapshot: Snapshot | undefined;
}

const noEntries: readonly Entry[] = [];

export class Unstable {
  snapshot: Snapshot | undefined;
  entries: Entry[] = [];
  offset: LogIndex;
  #offsetHandedOut: LogIndex;
  #isSnapshotHandedOut = false;
  readonly #writes: Write[] = [];

  constructor(offset: LogIndex) {
    this.offset = offset;
    this.#offsetHandedOut = offset;
  }

  lastIndex(): LogIndex {
    return this.offset + this.entries.length - 1;
  }

  /** Entries that no Ready has carried yet. */
  nextEntries(): readonly Entry[] {
    const from = this.#offsetHandedOut - this.offset;
    if (from === this.entries.length) return noEntries;
    return from === 0 ? this.entries.slice() : this.entries.slice(from);
  }

  hasNextEntries(): boolean {
    return this.#offsetHandedOut - this.offset < this.entries.length;
  }

  nextSnapshot(): Snapshot | undefined {
    return this.#isSnapshotHandedOut ? undefined : this.snapshot;
  }

  /** Ready `number` carries everything new. */
  onHandedOut(number: number): void {
    const snapshot = this.nextSnapshot();
    const through = this.hasNextEntries() ? this.lastIndex() : 0;
    if (snapshot !== undefined || through > 0) this.#writes.push({ number, through, snapshot });
    this.#offsetHandedOut = this.offset + this.entries.length;
    this.#isSnapshotHandedOut = this.snapshot !== undefined;
  }

  /** Ready `number` and those before are durable. Returns the newest snapshot that became so. */
  onPersisted(number: number): Snapshot | undefined {
    let restored: Snapshot | undefined;
    for (let write = this.#writes[0]; write !== undefined && write.number <= number; write = this.#writes[0]) {
      this.#writes.shift();
      if (write.snapshot !== undefined) {
        restored = write.snapshot;
        // A newer one may have come meanwhile.
        if (this.snapshot === restored) {
          this.snapshot = undefined;
          this.#isSnapshotHandedOut = false;
        }
      }
      this.#stableThrough(write.through);
    }
    return restored;
  }

  /** Adds `entries` after `lastIndex()`, or replaces the log from their first index on. */
  append(entries: readonly Entry[]): void {
    const first = (entries[0] as Entry).index;
    if (first <= this.lastIndex()) this.#truncateFrom(first);
    invariant(first === this.lastIndex() + 1, () => `U1: append at ${first} after ${this.lastIndex()}`);
    for (const entry of entries) this.entries.push(entry);
  }

  restore(snapshot: Snapshot): void {
    for (const write of this.#writes) write.through = 0;
    this.entries = [];
    this.offset = snapshot.metadata.index + 1;
    this.#offsetHandedOut = this.offset;
    this.snapshot = snapshot;
    this.#isSnapshotHandedOut = false;
  }

  #truncateFrom(index: LogIndex): void {
    for (const write of this.#writes) write.through = Math.min(write.through, index - 1);
    this.#offsetHandedOut = Math.min(this.#offsetHandedOut, index);
    if (index <= this.offset) {
      this.entries = [];
      this.offset = index;
    } else {
      this.entries.length = index - this.offset;
    }
  }

  #stableThrough(index: LogIndex): void {
    if (index < this.offset) return;
    invariant(index < this.#offsetHandedOut, () => `U2: write claims ${index}, handed out below ${this.#offsetHandedOut}`);
    this.entries = this.entries.slice(index + 1 - this.offset);
    this.offset = index + 1;
  }
}
