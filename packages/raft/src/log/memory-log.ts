import { invariant } from "@lenj/base";
import type { ConfState, Entry, HardState, LogIndex, RaftStorage, Snapshot, Term } from "../types.js";

const emptyConfState: ConfState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
const initialSnapshot: Snapshot = { metadata: { index: 0, term: 0, confState: emptyConfState }, data: new Uint8Array(0) };

export interface MemoryLogState {
  readonly hardState?: HardState;
  /** Membership at the applied index; default: that of the snapshot. */
  readonly confState?: ConfState;
  readonly snapshot?: Snapshot;
  /** Consecutive, from the index after the snapshot's (or before it, when `entries` reach further back). */
  readonly entries?: readonly Entry[];
  /** Index and term of the entry before `entries[0]`, when the log was compacted to a point other than the snapshot's. */
  readonly previous?: { readonly index: LogIndex; readonly term: Term };
}

/**
 * The tail of a log, in memory: what the core reads through RaftStorage. The embedder mirrors into it what it has written to disk, before
 * it acknowledges the Ready.
 *
 * L1. Entries are consecutive: entries[i].index = first + i.
 * L2. `first - 1` has a known term (that of the compaction point), so that an append at `first` can be matched.
 */
export class MemoryLog implements RaftStorage {
  #hardState: HardState;
  #confState: ConfState;
  #snapshot: Snapshot;
  #previousIndex: LogIndex;
  #previousTerm: Term;
  #entries: Entry[];

  constructor(state: MemoryLogState = {}) {
    this.#snapshot = state.snapshot ?? initialSnapshot;
    this.#hardState = state.hardState ?? { term: 0, vote: 0n, commit: this.#snapshot.metadata.index };
    this.#confState = state.confState ?? this.#snapshot.metadata.confState;
    this.#previousIndex = state.previous?.index ?? this.#snapshot.metadata.index;
    this.#previousTerm = state.previous?.term ?? this.#snapshot.metadata.term;
    this.#entries = [];
    this.append(state.entries ?? []);
  }

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#confState };
  }

  firstIndex(): LogIndex {
    return this.#previousIndex + 1;
  }

  lastIndex(): LogIndex {
    return this.#previousIndex + this.#entries.length;
  }

  term(index: LogIndex): Term | undefined {
    if (index === this.#previousIndex) return this.#previousTerm;
    return this.#entries[index - this.#previousIndex - 1]?.term;
  }

  entries(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] {
    invariant(
      low > this.#previousIndex && high <= this.lastIndex() + 1,
      () => `entries [${low}, ${high}) outside [${this.firstIndex()}, ${this.lastIndex()}]`,
    );
    const start = low - this.#previousIndex - 1;
    const limit = high - this.#previousIndex - 1;
    let bytes = 0;
    let end = start;
    while (end < limit) {
      bytes += (this.#entries[end] as Entry).data.length;
      if (bytes > maxBytes && end > start) break;
      end += 1;
    }
    return this.#entries.slice(start, end);
  }

  snapshot(): Snapshot | undefined {
    return this.#snapshot.metadata.index === 0 ? undefined : this.#snapshot;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  /** Adds `entries`, replacing whatever was held from the first one's index on. Ones at or before the compaction point are skipped. */
  append(entries: readonly Entry[]): void {
    const skip = entries.length === 0 ? 0 : Math.max(0, this.#previousIndex + 1 - (entries[0] as Entry).index);
    if (skip >= entries.length) return;
    const offset = (entries[skip] as Entry).index - this.#previousIndex - 1;
    invariant(offset <= this.#entries.length, () => `append at ${entries[skip]?.index} leaves a gap after ${this.lastIndex()}`);
    this.#entries.length = offset;
    for (let i = skip; i < entries.length; i += 1) this.#entries.push(entries[i] as Entry);
  }

  /** Records a snapshot this member made itself, at an index it holds. Does not drop entries; see `compact`. Older ones are ignored. */
  createSnapshot(snapshot: Snapshot): void {
    if (snapshot.metadata.index <= this.#snapshot.metadata.index) return;
    invariant(
      snapshot.metadata.index <= this.lastIndex(),
      () => `snapshot at ${snapshot.metadata.index} is past the last entry ${this.lastIndex()}`,
    );
    this.#snapshot = snapshot;
  }

  /** Replaces everything by a snapshot received from the leader. Older than what is held: ignored. */
  applySnapshot(snapshot: Snapshot): void {
    if (snapshot.metadata.index <= this.#snapshot.metadata.index) return;
    this.#snapshot = snapshot;
    this.#confState = snapshot.metadata.confState;
    this.#previousIndex = snapshot.metadata.index;
    this.#previousTerm = snapshot.metadata.term;
    this.#entries = [];
  }

  /** Drops entries through `index`. Call only for indexes that the newest snapshot covers. */
  compact(index: LogIndex): void {
    if (index <= this.#previousIndex) return;
    invariant(
      index <= this.#snapshot.metadata.index,
      () => `compaction to ${index} passes the snapshot at ${this.#snapshot.metadata.index}`,
    );
    this.#previousTerm = (this.#entries[index - this.#previousIndex - 1] as Entry).term;
    this.#entries = this.#entries.slice(index - this.#previousIndex);
    this.#previousIndex = index;
  }
}
