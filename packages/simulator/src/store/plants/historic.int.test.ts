import { findPlant, plantedBugs } from "./find-plants.js";

/** What each takes is in the README; a change of the workload may move it, up to here. */
const seedsMax = 60;

describe("planted bugs", () => {
  it.each(plantedBugs.map((bug) => [bug.name, bug.symptom, bug] as const))(
    "finds %s: %s",
    async (_name, _symptom, bug) => {
      expect((await findPlant(bug, 1, seedsMax)).violation).not.toBe("");
    },
    120_000,
  );
});
