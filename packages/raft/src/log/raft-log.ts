// The replicated log as one sequence: storage first, then the unstable tail, with the cursors that move along it.
//
// G1. applied <= applying <= committed <= lastIndex, and none of them ever decreases.
// G2. Committed entries are never truncated.
// G3. Only entries durable here are handed out for applying, so the state machine never runs ahead of the log.
// Source: Raft §5.3; go.etcd.io/raft/v3/log.go.

import { invariant } from "@lenj/base";
import type { Entry, LogIndex, RaftStorage, Snapshot, Term } from "../types.js";
import { Unstable } from "./unstable.js";

interface ApplyBatch {
  readonly through: LogIndex;
  readonly bytes: number;
}

const noEntries: readonly Entry[] = [];

export function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

export class RaftLog {
  readonly unstable: Unstable;
  committed: LogIndex;
  applied: LogIndex;
  #applying: LogIndex;
  #applyingBytes = 0;
  readonly #batches: ApplyBatch[] = [];
  readonly #maxApplyingBytes: number;

  constructor(
    readonly storage: RaftStorage,
    options: { committed: LogIndex; applied: LogIndex | undefined; maxApplyingBytes: number },
  ) {
    const lastIndex = storage.lastIndex();
    this.unstable = new Unstable(lastIndex + 1);
    this.applied = Math.max(options.applied ?? 0, storage.firstIndex() - 1);
    this.#applying = this.applied;
    // The commit index is not fsynced by itself, so an applied index stored with the state may be ahead of it.
    this.committed = Math.max(options.committed, this.applied);
    this.#maxApplyingBytes = options.maxApplyingBytes;
    invariant(
      this.committed <= lastIndex,
      () => `G1: commit index ${this.committed} is past the last entry ${lastIndex}: the log lost entries`,
    );
  }

  firstIndex(): LogIndex {
    const snapshot = this.unstable.snapshot;
    return snapshot === undefined ? this.storage.firstIndex() : snapshot.metadata.index + 1;
  }

  lastIndex(): LogIndex {
    return this.unstable.lastIndex();
  }

  lastTerm(): Term {
    return this.term(this.lastIndex()) as Term;
  }

  /** Last index durable here. While a received snapshot is being written this is the snapshot's own, which is not. */
  stableIndex(): LogIndex {
    return this.unstable.offset - 1;
  }

  /** Term of the entry at `index`; undefined when compacted or not there. */
  term(index: LogIndex): Term | undefined {
    const { unstable } = this;
    if (index >= unstable.offset) return unstable.entries[index - unstable.offset]?.term;
    const snapshot = unstable.snapshot;
    if (snapshot !== undefined) return index === snapshot.metadata.index ? snapshot.metadata.term : undefined;
    return this.storage.term(index);
  }

  matchesTerm(index: LogIndex, term: Term): boolean {
    return this.term(index) === term;
  }

  /** Raft §5.4.1: whether a log ending in (`index`, `term`) holds everything that this one could have seen committed. */
  isUpToDate(index: LogIndex, term: Term): boolean {
    const lastTerm = this.lastTerm();
    return term > lastTerm || (term === lastTerm && index >= this.lastIndex());
  }

  /** Entries in [low, high), at most `maxBytes` of data but at least one. The range lies inside the log. */
  slice(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] {
    if (low >= high) return noEntries;
    const { unstable } = this;
    if (low >= unstable.offset) return limitBytes(unstable.entries, low - unstable.offset, high - unstable.offset, maxBytes);
    const storedHigh = Math.min(high, unstable.offset);
    const stored = this.storage.entries(low, storedHigh, maxBytes);
    if (storedHigh === high || low + stored.length < storedHigh) return stored;
    const left = maxBytes - entriesBytes(stored);
    if (left <= 0) return stored;
    const rest = limitBytes(unstable.entries, 0, high - unstable.offset, left);
    // limitBytes never answers with nothing, also when its first entry is over the bound.
    return rest.length === 1 && (rest[0] as Entry).data.length > left ? stored : stored.concat(rest);
  }

  /** Raft §5.3: appends what is new of `entries` if the log has (`index`, `term`). Returns the last index covered, or undefined when it does not match. */
  maybeAppend(index: LogIndex, term: Term, entries: readonly Entry[], leaderCommit: LogIndex): LogIndex | undefined {
    if (!this.matchesTerm(index, term)) return undefined;
    const lastNew = index + entries.length;
    const conflict = this.#firstNew(entries);
    if (conflict !== undefined) {
      invariant(
        conflict > this.committed,
        () => `G2: entry ${conflict} conflicts with the committed entry there (commit ${this.committed})`,
      );
      this.unstable.append(entries.slice(conflict - index - 1));
    }
    this.commitTo(Math.min(leaderCommit, lastNew));
    return lastNew;
  }

  /** Adds a leader's own entries at the end. */
  append(entries: readonly Entry[]): void {
    this.unstable.append(entries);
  }

  /**
   * The largest index up to `index` whose term is at most `term`, with its term (0 when compacted). Skips a whole term of conflicting
   * entries in one round trip, on either side of a rejection.
   */
  findConflictByTerm(index: LogIndex, term: Term): { index: LogIndex; term: Term } {
    for (let at = index; at > 0; at -= 1) {
      const own = this.term(at);
      if (own === undefined) return { index: at, term: 0 };
      if (own <= term) return { index: at, term: own };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: LogIndex): void {
    if (index <= this.committed) return;
    invariant(index <= this.lastIndex(), () => `G1: cannot commit ${index}, the last entry is ${this.lastIndex()}`);
    this.committed = index;
  }

  hasNextCommitted(): boolean {
    return this.unstable.snapshot === undefined && this.#applyingBytes < this.#maxApplyingBytes && this.#applyLimit() > this.#applying;
  }

  /** Hands out entries to apply, as far as they are durable and the bound of bytes under way allows. */
  takeCommitted(): readonly Entry[] {
    if (!this.hasNextCommitted()) return noEntries;
    const entries = this.slice(this.#applying + 1, this.#applyLimit() + 1, this.#maxApplyingBytes - this.#applyingBytes);
    const bytes = entriesBytes(entries);
    this.#applying += entries.length;
    this.#applyingBytes += bytes;
    this.#batches.push({ through: this.#applying, bytes });
    return entries;
  }

  /** Returns the bytes of entry data that are applied now. */
  appliedTo(index: LogIndex): number {
    if (index <= this.applied) return 0;
    invariant(index <= this.#applying, () => `G1: applied ${index} but was handed ${this.#applying}`);
    this.applied = index;
    let bytes = 0;
    for (let batch = this.#batches[0]; batch !== undefined && batch.through <= index; batch = this.#batches[0]) {
      this.#batches.shift();
      bytes += batch.bytes;
    }
    this.#applyingBytes -= bytes;
    return bytes;
  }

  /** Ready `number` is durable. Returns the snapshot that is in the state machine now, if it carried one. */
  onPersisted(number: number): Snapshot | undefined {
    const restored = this.unstable.onPersisted(number);
    if (restored !== undefined) {
      this.#applying = Math.max(this.#applying, restored.metadata.index);
      this.appliedTo(restored.metadata.index);
    }
    return restored;
  }

  /** Replaces everything by a snapshot past the commit index. */
  restore(snapshot: Snapshot): void {
    invariant(
      snapshot.metadata.index > this.committed,
      () => `G1: snapshot at ${snapshot.metadata.index} is behind commit ${this.committed}`,
    );
    this.committed = snapshot.metadata.index;
    this.unstable.restore(snapshot);
  }

  snapshot(): Snapshot | undefined {
    return this.unstable.snapshot ?? this.storage.snapshot();
  }

  #applyLimit(): LogIndex {
    return Math.min(this.committed, this.stableIndex());
  }

  #firstNew(entries: readonly Entry[]): LogIndex | undefined {
    for (const entry of entries) if (!this.matchesTerm(entry.index, entry.term)) return entry.index;
    return undefined;
  }
}

function limitBytes(entries: readonly Entry[], start: number, end: number, maxBytes: number): readonly Entry[] {
  let bytes = 0;
  let cut = start;
  while (cut < end) {
    bytes += (entries[cut] as Entry).data.length;
    if (bytes > maxBytes && cut > start) break;
    cut += 1;
  }
  return entries.slice(start, cut);
}
