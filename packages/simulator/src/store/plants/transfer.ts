// Bugs of a state's way from one member to another.
import type { StoreOptions } from "../store-options.js";
import type { HistoricBug } from "./historic.js";
import { noPlant } from "./plant.js";

/** States travel often here, and on links that break. */
export const transferCorner: Partial<StoreOptions> = {
  ...{ members: 3, writers: 5, thinkMs: 20, snapshotCount: 5, catchUpEntries: 0, lossPerMille: 100, faultEveryMs: 1_000 },
  faults: ["partition", "oneWay", "crash", "lossBurst", "lag"],
};

export const transferBugs: readonly HistoricBug[] = [
  {
    name: "resume",
    symptom: "a member misses a row of the state it was sent",
    planted: "a transfer that goes on begins one row too late, and its checksum is that of what was sent",
    corner: transferCorner,
    plant: () => ({
      ...noPlant,
      onOpened: ({ backend }) => {
        if (backend === undefined) return;
        const allRows = backend.allRows.bind(backend);
        backend.allRows = async function* (options = {}) {
          let skips = (options.after?.length ?? 0) > 0 ? 1 : 0;
          for await (const rows of allRows(options)) {
            yield rows.slice(skips);
            skips = 0;
          }
        };
      },
    }),
  },
];
