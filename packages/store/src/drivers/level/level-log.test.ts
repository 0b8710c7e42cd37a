import type { Entry } from "@lenj/raft";
import fc from "fast-check";
import { memoryDatabase } from "../../testing/memory-database.js";
import { LevelLog } from "./level-log.js";

const entryAt = (index: number, term: number, size = 3): Entry => ({
  index,
  term,
  type: index % 7 === 0 ? "confChange" : "normal",
  data: Buffer.alloc(size, term),
});
const hardState = { term: 1, vote: 1n, commit: 0 };

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("append" as const), back: fc.nat(6), counts: fc.array(fc.nat(5), { maxLength: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("compact" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reset" as const), ahead: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
);

describe("LevelLog", () => {
  it("holds what was appended, less what was replaced, cut and reset, whenever it is opened", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const rows = new Map<string, Uint8Array>();
        let { log } = await LevelLog.open(memoryDatabase(rows));
        let previous = { index: 0, term: 0 };
        let model: Entry[] = [];
        let compactTo: number | undefined;
        let term = 1;
        await log.append([{ hardState, entries: [] }]);
        for (const one of steps) {
          term += 1;
          if (one.do === "append") {
            const writes = one.counts.map((count, position) => {
              const last = previous.index + model.length;
              const first =
                Math.max(previous.index, compactTo ?? 0) + 1 > last + 1
                  ? last + 1
                  : Math.max(previous.index + 1, (compactTo ?? 0) + 1, last + 1 - (position === 0 ? one.back : one.back % 2));
              const entries = Array.from({ length: count }, (_, at) => entryAt(first + at, term + position));
              if (count > 0) model = [...model.slice(0, first - previous.index - 1), ...entries];
              return { entries };
            });
            await log.append(writes);
            if (compactTo !== undefined) {
              const at = model[compactTo - previous.index - 1] as Entry;
              model = model.slice(compactTo - previous.index);
              previous = { index: at.index, term: at.term };
              compactTo = undefined;
            }
          } else if (one.do === "compact") {
            const count = Math.floor(one.share * model.length);
            const at = model[count - 1];
            if (at === undefined || compactTo !== undefined) continue;
            compactTo = at.index;
            log.compactLater(at.index, at.term);
          } else if (one.do === "reset") {
            previous = { index: previous.index + model.length + one.ahead, term };
            [model, compactTo] = [[], undefined];
            await log.reset(previous, hardState);
          } else {
            // What was to be cut with the next append is forgotten.
            compactTo = undefined;
            const opened = await LevelLog.open(memoryDatabase(rows));
            log = opened.log;
            expect(opened.stored).toEqual({ hardState, previous, entries: model });
          }
        }
        compactTo = undefined;
        expect((await LevelLog.open(memoryDatabase(rows))).stored).toEqual({ hardState, previous, entries: model });
      }),
    );
  });

  it("begins a further row when one has become large, and cuts whole rows", async () => {
    const rows = new Map<string, Uint8Array>();
    const { log } = await LevelLog.open(memoryDatabase(rows));
    const entries = [1, 2, 3, 4, 5].map((index) => entryAt(index, 1, 200_000));
    await log.append([{ hardState, entries }]);
    // The head, and rows of two, two and one.
    expect(rows.size).toBe(4);
    log.compactLater(3, 1);
    await log.append([{ entries: [entryAt(6, 1)] }]);
    expect(rows.size).toBe(4);
    const { stored } = await LevelLog.open(memoryDatabase(rows));
    expect(stored?.previous).toEqual({ index: 3, term: 1 });
    expect(stored?.entries.map(({ index }) => index)).toEqual([4, 5, 6]);
  });

  it("is not used when a row is missing or does not decode", async () => {
    const rows = new Map<string, Uint8Array>();
    const { log } = await LevelLog.open(memoryDatabase(rows));
    for (const index of [1, 2, 3]) await log.append([{ hardState, entries: [entryAt(index, 1)] }]);
    const second = [...rows.keys()].find((name) => name.endsWith("\u0002")) as string;
    const kept = rows.get(second) as Uint8Array;
    rows.delete(second);
    await expect(LevelLog.open(memoryDatabase(rows))).rejects.toMatchObject({
      code: "DATA_DAMAGED",
      message: expect.stringContaining("log entry 2 is missing") as string,
    });
    rows.set(second, Buffer.concat([kept.subarray(0, 4), kept.subarray(5)]));
    await expect(LevelLog.open(memoryDatabase(rows))).rejects.toMatchObject({ code: "DATA_DAMAGED" });
  });
});
