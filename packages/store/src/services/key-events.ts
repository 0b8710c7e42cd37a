// Changes of keys for services inside this member, one batch after another.
//
// Y1. Whoever reads slowly holds nothing up: past the limit the watch waits and catches up from storage.
// Y2. Ends with CANCELED when the signal aborts, LEADER_CHANGED when this member's state is replaced or it stops, and COMPACTED.
import type { KeyEvent, KeyRange, WatchSink } from "@lenj/mvcc";
import { StoreError } from "../core/errors.js";
import type { ServiceContext } from "./context.js";

const batchesMax = 16;

export interface KeyEventBatch {
  readonly events: readonly KeyEvent[];
  readonly revision: number;
}

export interface KeyEventOptions {
  readonly range: KeyRange;
  /** First revision wanted. */
  readonly startRevision: number;
  readonly signal: AbortSignal;
}

export async function* keyEvents(
  { replica, streams }: Pick<ServiceContext, "replica" | "streams">,
  { range, startRevision, signal }: KeyEventOptions,
): AsyncGenerator<KeyEventBatch, never, undefined> {
  const batches: KeyEventBatch[] = [];
  let failure: StoreError | undefined;
  let wake = (): void => {};
  const fail = (error: StoreError): void => {
    failure ??= error;
    wake();
  };
  const sink: WatchSink = {
    isWritable: () => batches.length < batchesMax,
    sendEvents: (_watcher, events, revision) => {
      batches.push({ events, revision });
      wake();
    },
    sendCompacted: () => fail(new StoreError("COMPACTED")),
  };
  const onAbort = (): void => fail(new StoreError("CANCELED"));
  const open = { close: (): void => fail(new StoreError("LEADER_CHANGED")) };
  const { watches } = replica;
  const flags = { skipPuts: false, skipDeletes: false, wantsPrevious: false, wantsProgress: false, wantsFragments: false };
  const watcher = watches.add({ id: 0, sink, range, startRevision, ...flags });
  streams.add(open);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    for (;;) {
      const batch = batches.shift();
      if (batch !== undefined) {
        watches.wake();
        yield batch;
      } else if (failure !== undefined) throw failure;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    streams.delete(open);
    watches.remove(watcher);
  }
}
