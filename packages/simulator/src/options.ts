import { SeededRandom } from "@lenj/base";
import type { LinkOptions } from "./cluster/network.js";
import type { CommonFault } from "./faults/common-faults.js";

/** What every run has, whatever its members run. */
export interface RunOptions extends LinkOptions {
  readonly seed: number;
  readonly members: number;
  readonly keys: number;
  readonly thinkMs: number;
  /** Time with faults, then time to recover in. */
  readonly chaosMs: number;
  readonly healMs: number;
  readonly faultEveryMs: number;
  readonly fsyncMs: readonly [number, number];
  /** Who lost a peer learns that nobody listens at its address. */
  readonly noticesDeaths: boolean;
}

/** A run, fully described. Everything but the seed is drawn from the seed, so that seeds differ in kind, not only in timing ("swarm"). */
export interface SimulationOptions extends RunOptions {
  /** Further members that membership changes may bring in. */
  readonly spares: number;
  readonly clients: number;
  readonly applyMs: number;
  readonly snapshotEvery: number;
  readonly keepEntries: number;
  readonly maxSizePerMessageBytes: number;
  readonly maxInflightMessages: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly faults: readonly FaultKind[];
}

export type FaultKind = CommonFault | "transfer" | "membership" | "shortReigns";

const allFaults: readonly FaultKind[] = [
  "crash",
  "crashAll",
  "partition",
  "oneWay",
  "isolateLeader",
  "slowDisk",
  "pause",
  "transfer",
  "membership",
  "lossBurst",
];

/** The options that `seed` stands for. */
export function deriveOptions(seed: number): SimulationOptions {
  const random = new SeededRandom(seed ^ 0x5eed);
  const between = (low: number, high: number): number => low + random.below(high - low + 1);
  const oneOf = <T>(...items: readonly T[]): T => items[random.below(items.length)] as T;
  // Of its own stream: what older seeds stand for shall not change.
  const swarm = new SeededRandom(seed ^ 0x0f18);
  const hasShortReigns = swarm.below(4) === 0;
  const isOnlyShortReigns = swarm.below(3) === 0;
  const noticesDeaths = swarm.below(2) === 0;
  const drawn = allFaults.filter(() => random.below(3) > 0);
  if (noticesDeaths) drawn.push("falseDeath");
  const faults: readonly FaultKind[] = !hasShortReigns ? drawn : isOnlyShortReigns ? ["shortReigns"] : [...drawn, "shortReigns"];
  return {
    seed,
    members: oneOf(1, 2, 3, 3, 3, 3, 4, 5, 5, 5),
    spares: between(0, 2),
    clients: between(2, 6),
    keys: between(1, 5),
    thinkMs: oneOf(20, 60, 150),
    chaosMs: 25_000,
    healMs: 20_000,
    faultEveryMs: oneOf(400, 1_500, 4_000),
    lossPerMille: oneOf(0, 0, 10, 50, 200),
    duplicatePerMille: oneOf(0, 20, 200),
    delayMs: oneOf([0, 1], [1, 10], [5, 60]),
    stragglerPerMille: oneOf(0, 0, 10),
    fsyncMs: oneOf([0, 0], [1, 5], [5, 80]),
    applyMs: oneOf(0, 0, 20),
    snapshotEvery: oneOf(10, 50, 200),
    keepEntries: oneOf(0, 5, 50),
    maxSizePerMessageBytes: oneOf(1, 128, 1_048_576),
    maxInflightMessages: oneOf(1, 4, 256),
    preVote: random.below(5) > 0,
    checkQuorum: random.below(5) > 0,
    noticesDeaths,
    faults: faults.length > 0 ? faults : ["crash"],
  };
}
