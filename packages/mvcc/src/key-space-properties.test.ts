// Random histories against a naive second implementation that keeps a full copy of the state for each revision.
import fc from "fast-check";
import { keyFromBytes, keyRangeFromWire } from "./key-range.js";
import { KeySpace } from "./key-space.js";
import { decodeKeyValue, type KeyValue } from "./key-value.js";
import { LeaseTable } from "./lease/lease-table.js";
import { MemoryBackend } from "./testing/memory-backend.js";
import { WatchHub } from "./watch/watch-hub.js";
import { WriteTransaction } from "./write-transaction.js";

const keys = ["a", "b", "ba", "c", "\u00ff", "\u00ffx"];
const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const noEnd = Uint8Array.of(0);
const none = new Uint8Array(0);

type Step =
  | { readonly kind: "put"; readonly key: string; readonly value: string }
  | { readonly kind: "delete"; readonly start: string; readonly end: string | undefined }
  | { readonly kind: "compact"; readonly back: number }
  | { readonly kind: "drop" }
  | { readonly kind: "restart" };

const key = fc.constantFrom(...keys);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("put" as const), key, value: fc.string({ maxLength: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), start: key, end: fc.option(key, { nil: undefined }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("compact" as const), back: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "drop" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
);

function open(backend: MemoryBackend): KeySpace {
  const space = new KeySpace({ backend, leases: new LeaseTable(backend), cacheBytesMax: 600 });
  for (const [revision, row] of backend.rows("key")) space.load(revision, row);
  space.finishLoading();
  return space;
}

const plain = (kv: KeyValue): object => ({
  ...kv,
  key: Buffer.from(kv.key).toString("latin1"),
  value: Buffer.from(kv.value).toString("latin1"),
});

function readAll(space: KeySpace, revision: number): object[] {
  return space
    .range(keyRangeFromWire(noEnd, noEnd), { revision, limit: 0, countOnly: false })
    .values.map((row) => plain(decodeKeyValue(row)));
}

interface NaiveRow {
  key: string;
  value: string;
  createRevision: number;
  modRevision: number;
  version: number;
  lease: bigint;
}

class NaiveStore {
  revision = 1;
  compacted = -1;
  readonly states = new Map<number, Map<string, NaiveRow>>([[1, new Map()]]);

  change(edit: (state: Map<string, NaiveRow>, revision: number) => boolean): void {
    const next = new Map(this.states.get(this.revision));
    if (!edit(next, this.revision + 1)) return;
    this.revision += 1;
    this.states.set(this.revision, next);
  }

  read(revision: number): NaiveRow[] {
    return [...(this.states.get(revision)?.values() ?? [])].sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

function apply(step: Step, space: KeySpace, naive: NaiveStore, hub: WatchHub): void {
  if (step.kind === "put") {
    const txn = new WriteTransaction(space);
    txn.put({ key: bytes(step.key), value: bytes(step.value), lease: 0n, ignoreLease: false, ignoreValue: false, prevKv: false });
    hub.notify(txn.commit().events);
    naive.change((state, modRevision) => {
      const before = state.get(step.key);
      const value = Buffer.from(bytes(step.value)).toString("latin1");
      state.set(step.key, {
        key: step.key,
        value,
        createRevision: before?.createRevision ?? modRevision,
        modRevision,
        version: (before?.version ?? 0) + 1,
        lease: 0n,
      });
      return true;
    });
  } else if (step.kind === "delete") {
    const txn = new WriteTransaction(space);
    txn.deleteRange(keyRangeFromWire(bytes(step.start), step.end === undefined ? none : bytes(step.end)), false);
    hub.notify(txn.commit().events);
    naive.change((state) => {
      const gone = [...state.keys()].filter((name) =>
        step.end === undefined ? name === step.start : name >= step.start && name < step.end,
      );
      for (const name of gone) state.delete(name);
      return gone.length > 0;
    });
  } else if (step.kind === "compact") {
    const revision = naive.revision - step.back;
    if (revision <= naive.compacted || revision < 1) return;
    space.compact(revision);
    naive.compacted = revision;
  }
}

describe("KeySpace", () => {
  it("reads every uncompacted revision as a naive store does, across compactions and restarts", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const backend = new MemoryBackend();
        const naive = new NaiveStore();
        let space = open(backend);
        let hub = new WatchHub(space, () => {});
        for (const one of steps) {
          apply(one, space, naive, hub);
          if (one.kind === "drop") space.dropSome(3);
          if (one.kind === "restart") {
            space = open(backend);
            hub = new WatchHub(space, () => {});
          }
          expect(space.currentRevision).toBe(naive.revision);
        }
        for (let revision = Math.max(1, naive.compacted); revision <= naive.revision; revision += 1) {
          expect(readAll(space, revision)).toEqual(naive.read(revision));
        }
        while (space.dropSome(100));
        for (let revision = Math.max(1, naive.compacted); revision <= naive.revision; revision += 1) {
          expect(readAll(space, revision)).toEqual(naive.read(revision));
        }
      }),
      { numRuns: 300 },
    );
  });

  it("delivers to a watcher from any revision exactly the changes after it, whoever stalls", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
        fc.nat(10),
        (steps, stalls, start) => {
          const backend = new MemoryBackend();
          const naive = new NaiveStore();
          const space = open(backend);
          const hub = new WatchHub(space, () => {});
          let writable = true;
          const seen: string[] = [];
          let compactedAt: number | undefined;
          hub.add({
            id: 0,
            range: keyRangeFromWire(bytes("b"), bytes("d")),
            startRevision: start + 1,
            skipPuts: false,
            skipDeletes: false,
            wantsPrevious: true,
            wantsProgress: false,
            wantsFragments: false,
            sink: {
              isWritable: () => writable,
              sendEvents: (_watcher, events) => {
                for (const event of events) {
                  const previous = space.previousOf(event);
                  seen.push(
                    `${event.main} ${event.type} ${event.key} ${previous === undefined ? "" : decodeKeyValue(previous).modRevision}`,
                  );
                }
              },
              sendCompacted: (_watcher, revision) => {
                compactedAt = revision;
              },
            },
          });
          const expected: string[] = [];
          for (const [position, one] of steps.entries()) {
            if (one.kind === "compact" || one.kind === "restart" || one.kind === "drop") continue;
            const before = naive.states.get(naive.revision) ?? new Map<string, NaiveRow>();
            const from = naive.revision;
            apply(one, space, naive, hub);
            if (naive.revision > from && naive.revision >= start + 1) {
              const after = naive.states.get(naive.revision) ?? new Map<string, NaiveRow>();
              const changed = keys.filter(
                (name) => name >= "b" && name < "d" && before.get(name)?.modRevision !== after.get(name)?.modRevision,
              );
              for (const name of changed)
                expected.push(`${naive.revision} ${after.has(name) ? "put" : "delete"} ${name} ${before.get(name)?.modRevision ?? ""}`);
            }
            writable = stalls[position] ?? true;
            if (position % 3 === 0) while (hub.catchUp());
          }
          writable = true;
          while (hub.catchUp());
          expect(compactedAt).toBeUndefined();
          expect(seen).toEqual(expected);
          expect(hub.behind).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("counts in use what is stored", () => {
    const backend = new MemoryBackend();
    const space = open(backend);
    for (let round = 0; round < 20; round += 1) {
      const txn = new WriteTransaction(space);
      txn.put({ key: bytes("k"), value: bytes("value"), lease: 0n, ignoreLease: false, ignoreValue: false, prevKv: false });
      txn.commit();
    }
    space.compact(space.currentRevision);
    while (space.dropSome(2));
    const stored = backend.rows("key").reduce((sum, [revision, row]) => sum + revision.length + row.length, 0);
    expect(space.bytesInUse).toBe(stored);
    expect(backend.rows("key")).toHaveLength(1);
    expect(keyFromBytes(bytes("k"))).toBe("k");
  });
});
