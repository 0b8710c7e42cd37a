// What each watch has to have said by now: counted from the history that the observer, a watch of everything, has seen.
//
// L1. An event is due to a watch when its revision is not before the watch's start, its key in range, and its type not filtered.
// L2. A watch that starts before the compacted revision is due nothing but its cancellation.
// L3. A watch that was cancelled because of a compaction is over, whether or not it should have been: its lines show that.
// L4. A deletion exactly at the compacted revision is due from a server that keeps it there (etcd does since 3.6), not from others.
import type { etcdserverpb } from "@lenj/proto/etcd";

export interface HistoryEvent {
  readonly revision: number;
  /** As latin1 text, whose order is that of the bytes. */
  readonly key: string;
  readonly isDelete: boolean;
}

/** What a server has said on one watch since it was created. */
export interface WatchProgress {
  readonly events: number;
  /** How often it was cancelled because its start was compacted. */
  readonly compactions: number;
}

interface Watch {
  readonly startRevision: number;
  /** What was compacted when the watch was asked for. */
  readonly compacted: number;
  readonly isWanted: (event: HistoryEvent) => boolean;
  readonly isCompacted: boolean;
  /** Deletions at the compacted revision, which not every server keeps. */
  optional: number;
  due: number;
  /** Place in the history up to which events are counted. */
  counted: number;
}

const noPut = 0;
const noDelete = 1;

export class WatchLedger {
  readonly #watches = new Map<number, Watch>();
  #history: HistoryEvent[] = [];
  /** Events that were dropped from the front of the history. */
  #dropped = 0;

  record(event: HistoryEvent): void {
    this.#history.push(event);
  }

  /** Nothing starts before `revision` any more. Every watch must have been counted. */
  forget(revision: number): void {
    for (const watch of this.#watches.values()) this.#count(watch);
    const first = this.#history.findIndex((event) => event.revision >= revision);
    const drop = first < 0 ? this.#history.length : first;
    this.#history = this.#history.slice(drop);
    this.#dropped += drop;
  }

  /** `position`: where the key space is as the watch is created. */
  open(request: etcdserverpb.WatchCreateRequest, position: { readonly revision: number; readonly compacted: number }): void {
    const { startRevision } = request;
    const from = startRevision > 0 ? startRevision : position.revision + 1;
    const [key, end] = [request.key.toString("latin1") || "\0", request.rangeEnd.toString("latin1")];
    const inRange = (at: string): boolean => (end === "" ? at === key : at >= key && (end === "\0" || at < end));
    this.#watches.set(Number(request.watchId), {
      startRevision,
      compacted: position.compacted,
      isCompacted: startRevision > 0 && startRevision < position.compacted,
      isWanted: (event) =>
        event.revision >= from && inRange(event.key) && !request.filters.some((filter) => filter === (event.isDelete ? noDelete : noPut)),
      optional: 0,
      due: 0,
      counted: this.#dropped,
    });
  }

  close(id: number): void {
    this.#watches.delete(id);
  }

  get ids(): IterableIterator<number> {
    return this.#watches.keys();
  }

  /** Whether no watch starts after this revision. */
  haveBegun(revision: number): boolean {
    return [...this.#watches.values()].every(({ startRevision }) => startRevision <= revision);
  }

  /** Whether a server has said all that is due on a watch. */
  isServed(id: number, said: WatchProgress, keepsDeletions: boolean): boolean {
    const watch = this.#watches.get(id);
    if (watch === undefined || said.compactions > 0) return true;
    if (watch.isCompacted) return false;
    this.#count(watch);
    return said.events >= watch.due + (keepsDeletions ? watch.optional : 0);
  }

  #count(watch: Watch): void {
    for (; watch.counted < this.#dropped + this.#history.length; watch.counted += 1) {
      const event = this.#history[watch.counted - this.#dropped];
      if (event === undefined || !watch.isWanted(event)) continue;
      if (event.isDelete && event.revision === watch.compacted) watch.optional += 1;
      else watch.due += 1;
    }
  }
}
