import { deriveStoreOptions } from "./store-options.js";
import { runStoreSimulation } from "./store-simulation.js";

/** `npm run sim -- --seed N --seeds COUNT` runs more. */
const blocks = 30;
const seedsInBlock = 10;

describe("whole stores", () => {
  it.each(Array.from({ length: blocks }, (_, block) => block * seedsInBlock + 21))(
    "keep every guarantee, ten seeds from %i",
    async (first) => {
      for (let seed = first; seed < first + seedsInBlock; seed += 1) {
        const { violation, linearizability } = await runStoreSimulation(deriveStoreOptions(seed));
        expect({ seed, violation, linearizability }).toEqual({ seed, violation: undefined, linearizability: "linearizable" });
      }
    },
    120_000,
  );
});
