// What one watch was sent, across reconnections, and whether that is what a watch promises.
//
// W1. Events come in revision order, none twice, none below the start, and a revision's events come together.
// W2. Up to the last revision that the watch was told of (by an event or a progress notification) nothing of its range is missing, and
//     each event is what happened, with the value before it when asked for.
// W3. A watch is ended for compaction only when the revision it needs was compacted.
import { etcdserverpb, type mvccpb } from "@lenj/proto/etcd";
import { Violation } from "../../world/violation.js";
import { type Change, describePair, type Pair, type ReferenceStore, text } from "./reference-store.js";

const { WatchCreateRequest_FilterType: FilterType } = etcdserverpb;

interface Segment {
  /** First revision that this stretch promises to show. */
  readonly from: number;
  /** Last revision that it was told of; grows. */
  through: number;
  readonly events: string[];
  readonly withoutPrevious: number[];
}

export class WatchRecord {
  readonly #segments: Segment[] = [];
  #last = 0;
  #isInFragment = false;
  /** Ended for compaction: what comes next does not continue what was. */
  #isRestarting = false;

  constructor(
    readonly label: string,
    readonly request: Pick<etcdserverpb.WatchCreateRequest, "key" | "rangeEnd" | "prevKv" | "filters">,
  ) {}

  /** The revision to go on from; 0 before anything was heard. */
  get nextRevision(): number {
    const segment = this.#segments.at(-1);
    return segment === undefined || this.#isRestarting ? 0 : segment.through + 1;
  }

  restart(): void {
    this.#isRestarting = true;
  }

  /** A watch was created that starts at `from`. */
  onCreated(from: number): void {
    this.#isInFragment = false;
    this.#isRestarting = false;
    if (this.#segments.at(-1)?.through === from - 1) return;
    this.#segments.push({ from, through: from - 1, events: [], withoutPrevious: [] });
    this.#last = from - 1;
  }

  onEvents(events: readonly mvccpb.Event[], isFragment: boolean): void {
    const segment = this.#segments.at(-1);
    if (segment === undefined) throw this.#violation("got events before it was created");
    for (const [position, event] of events.entries()) {
      const revision = event.kv?.modRevision ?? 0;
      if (revision < segment.from) throw this.#violation(`starts at ${segment.from}, got an event of ${revision}`);
      if (revision < this.#last) throw this.#violation(`got ${revision} after ${this.#last}`);
      if (revision === this.#last && position === 0 && !this.#isInFragment)
        throw this.#violation(`got more of revision ${revision} after it had been told of it`);
      this.#last = revision;
      segment.events.push(describeEvent(event, this.request.prevKv));
    }
    this.#isInFragment = isFragment;
    if (!isFragment) segment.through = Math.max(segment.through, this.#last);
  }

  /** All events through `revision` were sent, the store says. */
  onProgress(revision: number): void {
    const segment = this.#segments.at(-1);
    if (segment === undefined) throw this.#violation("got progress before it was created");
    if (revision < segment.from - 1) throw this.#violation(`starts at ${segment.from}, got progress at ${revision}`);
    if (revision < this.#last) throw this.#violation(`got progress at ${revision} after ${this.#last}`);
    this.#last = revision;
    segment.through = Math.max(segment.through, revision);
  }

  onCompacted(compactRevision: number): void {
    if (this.nextRevision >= compactRevision)
      throw this.#violation(`needed ${this.nextRevision}, was ended for a compaction at ${compactRevision}`);
  }

  check(store: ReferenceStore): void {
    const { key, rangeEnd, filters } = this.request;
    for (const segment of this.#segments) {
      // Told of nothing yet: it may start in the future.
      if (segment.through < segment.from) continue;
      if (segment.through > store.revision) throw this.#violation(`was told of ${segment.through}, the store ends at ${store.revision}`);
      const expected = store
        .changesIn(text(key), text(rangeEnd), segment.from, segment.through)
        .filter(({ pair }) => !filters.includes(pair === undefined ? FilterType.NODELETE : FilterType.NOPUT));
      this.#compare(segment, expected, store.compactRevision);
    }
  }

  #compare(segment: Segment, expected: readonly Change[], compactRevision: number): void {
    const shown = segment.events;
    for (const [position, change] of expected.entries()) {
      const full = describeChange(change, this.request.prevKv ? change.previous : undefined);
      const mayLackPrevious = this.request.prevKv && change.revision - 1 < compactRevision;
      const found = shown[position];
      if (found === full || (mayLackPrevious && found === describeChange(change, undefined))) continue;
      throw this.#violation(`of [${segment.from}, ${segment.through}] got "${found}", must be "${full}"`);
    }
    if (shown.length > expected.length) throw this.#violation(`got "${shown[expected.length]}", which is not in its range`);
  }

  #violation(message: string): Violation {
    return new Violation("Watch", `${this.label} ${message}`);
  }
}

function describeEvent({ type, kv, prevKv }: mvccpb.Event, wantsPrevious: boolean): string {
  const before = prevKv === undefined ? "" : ` before ${describePair(pairOf(prevKv))}`;
  if (!wantsPrevious && prevKv !== undefined) return "a previous value that was not asked for";
  if (type === 1) return `delete ${text(kv?.key ?? Buffer.alloc(0))} at ${kv?.modRevision}${before}`;
  return `put ${kv === undefined ? "nothing" : describePair(pairOf(kv))}${before}`;
}

function describeChange(change: Change, previous: Pair | undefined): string {
  const before = previous === undefined ? "" : ` before ${describePair(previous)}`;
  if (change.pair === undefined) return `delete ${change.key} at ${change.revision}${before}`;
  return `put ${describePair(change.pair)}${before}`;
}

export function pairOf(kv: mvccpb.KeyValue): Pair {
  return {
    key: text(kv.key),
    value: text(kv.value),
    create: kv.createRevision,
    mod: kv.modRevision,
    version: kv.version,
    lease: kv.lease,
  };
}
