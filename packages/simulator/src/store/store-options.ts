import { SeededRandom } from "@lenj/base";
import type { CommonFault } from "../faults/common-faults.js";
import type { RunOptions } from "../options.js";

/** A run of whole stores, fully described. Everything but the seed is drawn from the seed ("swarm"). */
export interface StoreOptions extends RunOptions {
  readonly writers: number;
  readonly watchers: number;
  readonly lessees: number;
  /** Clocks run between 1 - skew and 1 + skew. */
  readonly clockSkew: number;
  readonly snapshotCount: number;
  readonly catchUpEntries: number;
  readonly compactEveryMs: number;
  readonly leaseCheckpointEverySeconds: number;
  /** Between comparisons of the members' data; 0: never. */
  readonly corruptCheckMs: number;
  readonly faults: readonly StoreFault[];
}

export type StoreFault =
  | CommonFault
  | "fullDisk"
  | "bitFlip"
  | "rot"
  | "pauseLeader"
  | "transfer"
  | "replace"
  | "grow"
  | "shrink"
  | "defragment"
  | "lag";

const allFaults: readonly StoreFault[] = [
  "crash",
  "crashAll",
  "partition",
  "oneWay",
  "isolateLeader",
  "slowDisk",
  "fullDisk",
  "bitFlip",
  "pause",
  "pauseLeader",
  "transfer",
  "replace",
  "grow",
  "shrink",
  "defragment",
  "lossBurst",
  "lag",
];

/** Raft time of every simulated member: upstream's defaults. */
export const heartbeatMs = 100;
export const electionTicks = 10;

/** The options that `seed` stands for. */
export function deriveStoreOptions(seed: number): StoreOptions {
  const random = new SeededRandom(seed ^ 0x570e);
  const between = (low: number, high: number): number => low + random.below(high - low + 1);
  const oneOf = <T>(...items: readonly T[]): T => items[random.below(items.length)] as T;
  // Of streams of their own: what older seeds draw shall not change.
  const swarm = new SeededRandom(seed ^ 0x0207);
  const faults = allFaults.filter(() => random.below(5) > 1);
  if (swarm.below(4) === 0) faults.push("rot");
  const isChecked = faults.includes("bitFlip") || faults.includes("rot");
  const noticesDeaths = new SeededRandom(seed ^ 0x60e).below(2) === 0;
  if (noticesDeaths) faults.push("falseDeath");
  return {
    seed,
    members: oneOf(1, 3, 3, 3, 3, 5),
    writers: between(2, 5),
    watchers: between(1, 4),
    lessees: between(0, 3),
    keys: between(2, 6),
    thinkMs: oneOf(20, 60, 150),
    chaosMs: 15_000,
    healMs: 40_000,
    faultEveryMs: oneOf(400, 1_000, 3_000),
    lossPerMille: oneOf(0, 0, 10, 100),
    duplicatePerMille: oneOf(0, 20, 200),
    delayMs: oneOf([0, 1], [1, 10], [5, 40]),
    stragglerPerMille: oneOf(0, 0, 10),
    fsyncMs: oneOf([0, 0], [1, 5], [5, 60]),
    clockSkew: oneOf(0, 0.01, 0.05),
    snapshotCount: oneOf(5, 20, 100),
    catchUpEntries: oneOf(0, 5, 50),
    compactEveryMs: oneOf(300, 1_000, 5_000),
    leaseCheckpointEverySeconds: oneOf(1, 2, 300),
    noticesDeaths,
    corruptCheckMs: isChecked ? ([500, 1_000, 3_000][swarm.below(3)] as number) : 0,
    faults: faults.length > 0 ? faults : ["crash"],
  };
}
