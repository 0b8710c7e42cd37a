import { damageCorner } from "./plants/damage.js";
import { transferCorner } from "./plants/transfer.js";
import { deriveStoreOptions, type StoreOptions } from "./store-options.js";
import { runStoreSimulation } from "./store-simulation.js";

/** What a seed stood for before members noticed deaths. */
const withoutNews = ({ faults, ...rest }: StoreOptions): StoreOptions => ({
  ...rest,
  noticesDeaths: false,
  faults: faults.filter((fault) => fault !== "falseDeath"),
});

const violationOf = async (seed: number): Promise<string | undefined> =>
  (await runStoreSimulation(withoutNews(deriveStoreOptions(seed)))).violation;

/** In which damaged leaders compared, too few answered to tell who is wrong, and the alarm went to another. */
const damageSeeds = [41, 97, 253];

describe("runStoreSimulation()", () => {
  it.each([1, 11])(
    "keeps every guarantee, ten seeds from %i",
    async (first) => {
      for (let seed = first; seed < first + 10; seed += 1) {
        const result = await runStoreSimulation(deriveStoreOptions(seed));
        expect({ seed, violation: result.violation }).toEqual({ seed, violation: undefined });
        expect({ seed, linearizability: result.linearizability }).toEqual({ seed, linearizability: "linearizable" });
      }
    },
    120_000,
  );

  it.each([1, 3, 12, 25])(
    "repeats seed %i event by event",
    async (seed) => {
      const [first, second] = [await runStoreSimulation(deriveStoreOptions(seed)), await runStoreSimulation(deriveStoreOptions(seed))];
      expect(second.traceHash).toBe(first.traceHash);
    },
    60_000,
  );

  it("keeps every guarantee where states travel often and go on where they broke off", async () => {
    let resumed = 0;
    for (let seed = 1; seed <= 12; seed += 1) {
      const { violation, statesResumed } = await runStoreSimulation({ ...withoutNews(deriveStoreOptions(seed)), ...transferCorner });
      expect({ seed, violation }).toEqual({ seed, violation: undefined });
      resumed += statesResumed;
    }
    expect(resumed).toBeGreaterThan(0);
  }, 120_000);

  it("refills damaged states, found by a read, at a start, and by comparison", async () => {
    let refilled = 0;
    let named = 0;
    for (const seed of damageSeeds) {
      const { violation, statesRefilled, coverage } = await runStoreSimulation({ ...deriveStoreOptions(seed), ...damageCorner });
      expect({ seed, violation }).toEqual({ seed, violation: undefined });
      refilled += statesRefilled;
      named += coverage.namedByHash ?? 0;
    }
    expect({ refilled: refilled > 1, named: named > 0 }).toEqual({ refilled: true, named: true });
  }, 120_000);

  // See docs/internals/track-record.md.
  it.each([
    [15, "the time written down before a renewal, counted from by the next leader"],
    [30, "a renewal at a leader that had not applied the grant"],
    [277, "a snapshot overtaken while it came in"],
    [75, "a checkpoint that undid a renewal"],
    [98, "a watch opened while the state was replaced"],
    [3_002_906, "a renewal while the time before it was on its way to be written down"],
    [6_000_431, "a leader that had not applied what was written down last"],
    [730_103, "a watch opened at a process that is stopped and then ends"],
    [730_218, "a compaction that met a damaged row"],
  ])(
    "keeps every guarantee on seed %i: %s",
    async (seed) => {
      expect(await violationOf(seed)).toBeUndefined();
    },
    60_000,
  );
});
