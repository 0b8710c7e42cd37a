// What `npm run bench:store` can measure, in the order in which it does.
import { checkLoads, checkPerf } from "./check-perf.js";
import type { BenchCluster } from "./cluster.js";
import type { Figure } from "./figures.js";
import { growthFigures } from "./growth.js";
import { leaseWorks } from "./leases.js";
import type { Load } from "./load.js";
import { type Pair, printCosts, printFigure, printPairs } from "./print.js";
import { handOverFigures, killFigures } from "./recovery.js";
import { Watched } from "./watchers.js";
import { laterRangeWorks, leaseGrantWorks, listWorks, mixedWorks, putWorks, rangeWorks, txnWorks, type Work } from "./works.js";

export interface Settings {
  /** Of a row with 64 clients. */
  readonly requests: number;
  /** Least operations of a row before it is measured. */
  readonly warmUp: number;
  /** Times that each row is measured, in turn. */
  readonly rounds: number;
  readonly watchers: number;
  /** Times that the leader is killed, and that it is asked to hand over. */
  readonly kills: number;
  /** Where growth ends. */
  readonly keys: number;
}

export interface Contest {
  readonly lenj: BenchCluster;
  readonly etcd: BenchCluster;
  readonly settings: Settings;
}

export interface Part {
  /** Runs only when asked for by name. */
  readonly isExtra?: boolean;
  /** On clusters of its own, without what others left there. */
  readonly isAlone?: boolean;
  readonly run: (contest: Contest) => Promise<void>;
}

const rows =
  (works: (requests: number) => readonly Work[]): Part["run"] =>
  async (contest) => {
    for (const work of works(contest.settings.requests)) await compareWork(contest, work);
  };

const figures =
  (observe: (cluster: BenchCluster, settings: Settings) => Promise<Figure[]>): Part["run"] =>
  ({ lenj, etcd, settings }) =>
    printBoth(
      () => observe(lenj, settings),
      () => observe(etcd, settings),
    );

export const parts = {
  range: { run: rows(rangeWorks) },
  list: { run: rows(listWorks) },
  put: { run: rows(putWorks) },
  txn: { run: rows(txnWorks) },
  mixed: { run: rows(mixedWorks) },
  "range-after": { run: rows(laterRangeWorks) },
  lease: { run: rows((requests) => [...leaseGrantWorks(requests), ...leaseWorks()]) },
  watch: { run: runWatchers },
  kill: { run: figures((cluster, { kills }) => killFigures(cluster, kills)) },
  "hand-over": { run: figures((cluster, { kills }) => handOverFigures(cluster, kills)) },
  growth: { isAlone: true, run: figures((cluster, { keys }) => growthFigures(cluster, keys)) },
  "check-perf": { isExtra: true, isAlone: true, run: printChecks },
} as const satisfies Readonly<Record<string, Part>>;

export type PartName = keyof typeof parts;

/** Ours first and last in turn: whatever the machine does meanwhile meets both. */
async function compareWork({ lenj, etcd, settings }: Contest, work: Work): Promise<void> {
  const pairs: Pair[] = [];
  const warmUp = work.warmUp ?? Math.max(settings.warmUp, work.operations);
  for (const cluster of [lenj, etcd]) await work.measure(cluster, warmUp);
  const measure = (cluster: BenchCluster): Promise<Load> => work.measure(cluster, work.operations);
  for (let round = 0; round < settings.rounds; round += 1) {
    if (round % 2 === 0) {
      const ours = await measure(lenj);
      pairs.push({ ours, theirs: await measure(etcd) });
    } else {
      const theirs = await measure(etcd);
      pairs.push({ ours: await measure(lenj), theirs });
    }
  }
  printPairs(work.name, pairs);
  if (work.hasCosts === true) printCosts(work.name, pairs);
}

async function runWatchers(contest: Contest): Promise<void> {
  const watched = new Watched(contest.settings.watchers);
  try {
    for (const work of watched.works()) await compareWork(contest, work);
  } finally {
    await watched.close();
  }
}

async function printBoth(ours: () => Promise<Figure[]>, theirs: () => Promise<Figure[]>): Promise<void> {
  const found = { ours: await ours(), theirs: await theirs() };
  for (const [n, figure] of found.ours.entries()) printFigure(figure, found.theirs[n]?.value ?? Number.NaN);
}

async function printChecks({ lenj, etcd }: Contest): Promise<void> {
  for (const load of checkLoads)
    for (const cluster of [lenj, etcd])
      for (const line of await checkPerf(cluster, load)) console.log(`check perf --load=${load} at ${cluster.name.padEnd(4)}: ${line}`);
}
