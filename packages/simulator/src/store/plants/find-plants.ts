import { deriveStoreOptions } from "../store-options.js";
import { runStoreSimulation } from "../store-simulation.js";
import { damageBugs } from "./damage.js";
import { type HistoricBug, historicBugs } from "./historic.js";
import { transferBugs } from "./transfer.js";

export interface Finding {
  readonly bug: HistoricBug;
  /** How many seeds it took; undefined when it was not found. */
  readonly seeds: number | undefined;
  /** What the checker said. */
  readonly violation: string;
}

export const plantedBugs: readonly HistoricBug[] = [...historicBugs, ...transferBugs, ...damageBugs];

export const plantedBug = (name: string): HistoricBug | undefined => plantedBugs.find((bug) => bug.name === name);

/** Plants one bug and runs seeds from `first` on until a checker notices, `count` at most. */
export async function findPlant(bug: HistoricBug, first: number, count: number): Promise<Finding> {
  for (let seed = first; seed < first + count; seed += 1) {
    const { violation } = await runStoreSimulation({ ...deriveStoreOptions(seed), ...bug.corner }, { plant: bug.plant() });
    if (violation !== undefined) return { bug, seeds: seed - first + 1, violation };
  }
  return { bug, seeds: undefined, violation: "" };
}

/** One line of the table of findings. */
export function describeFinding({ bug, seeds, violation }: Finding): string {
  const found = seeds === undefined ? "not found" : `${seeds} seeds, ${violation.slice(0, violation.indexOf(":"))}`;
  return `| ${bug.name} | ${bug.symptom} | ${bug.planted} | ${found} |`;
}
