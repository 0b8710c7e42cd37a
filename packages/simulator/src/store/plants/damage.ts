// Bugs of finding damage to a state, and of replacing it.
import type { Replica } from "@lenj/store/testing";
import type { StoreOptions } from "../store-options.js";
import type { HistoricBug } from "./historic.js";
import { leaveOutRows, noPlant } from "./plant.js";

/** Damage comes often here, and to members that are otherwise well enough to be compared. */
export const damageCorner: Partial<StoreOptions> = {
  ...{
    members: 3,
    fsyncMs: [1, 5],
    snapshotCount: 20,
    catchUpEntries: 50,
    compactEveryMs: 1_000,
    corruptCheckMs: 500,
    faultEveryMs: 1_000,
  },
  faults: ["rot", "rot", "bitFlip", "crash", "pauseLeader", "transfer", "replace"],
};

export const damageBugs: readonly HistoricBug[] = [
  {
    name: "refill-part",
    symptom: "a member comes back from quarantine, and a row is missing",
    planted: "of a state that takes the place of a damaged one, a row of each write is left out",
    corner: damageCorner,
    plant: () => ({
      ...noPlant,
      partials: (partials, { disk }) => ({
        ...partials,
        open: async (name) => {
          const database = await partials.open(name);
          if (disk.mark.read()?.isRefilled === false) leaveOutRows(database);
          return database;
        },
      }),
    }),
  },
  {
    name: "refill-none",
    symptom: "a member comes back from quarantine with the data that it was quarantined for",
    planted: "the mark says from the start that the state has been replaced",
    corner: damageCorner,
    plant: () => ({ ...noPlant, mark: (mark) => ({ ...mark, write: (quarantine) => mark.write({ ...quarantine, isRefilled: true }) }) }),
  },
  {
    name: "compare-old",
    symptom: "members hold different data, and no comparison tells",
    planted: "hashes leave out what was written before the compaction",
    corner: damageCorner,
    plant: () => ({ ...noPlant, onOpened: (_, replica) => hashOnlyNew(replica) }),
  },
];

function hashOnlyNew({ state: { space } }: Replica): void {
  const hashedAt = space.hashedAt.bind(space);
  space.hashedAt = (revision) => {
    const isHashed = hashedAt(revision);
    return (main, row) => main > space.compactRevision && isHashed(main, row);
  };
}
