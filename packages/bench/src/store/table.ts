// `npm run bench:store`: our store and etcd in turn, a ratio a row.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { intFlag, parseFlags } from "@lenj/component-base";
import { BenchCluster } from "./cluster.js";
import { type Load, load } from "./h2load.js";
import { type Figure, fillForWorks, grow, leaderLoss, median, restart, watcherFigures } from "./scenarios.js";
import { type Work, works } from "./works.js";

const flags = {
  requests: intFlag("Requests of a row with 64 clients, each time", 6_000),
  rounds: intFlag("Times that each is measured, in turn", 3),
  keys: intFlag("Keys to grow to for memory and restart; 0: leave that out", 100_000),
} as const;

export async function benchStore(argv: readonly string[]): Promise<void> {
  const { values, problems } = parseFlags(flags, argv);
  if (problems.length > 0) throw new Error(problems.join("; "));
  for (const [program, debianPackage] of [
    ["etcd", "etcd-server"],
    ["h2load", "nghttp2-client"],
  ] as const)
    if (spawnSync(program, ["--version"]).status !== 0) throw new Error(`${program} is not installed (Debian package ${debianPackage})`);
  const folder = mkdtempSync(`${tmpdir()}/lenj-bench-`);
  mkdirSync(`${folder}/load`);
  const clusters: BenchCluster[] = [];
  try {
    for (const name of ["lenj", "etcd"] as const) clusters.push(await BenchCluster.start(name, folder));
    const [lenj, etcd] = clusters as [BenchCluster, BenchCluster];
    for (const cluster of clusters) await fillForWorks(cluster);
    printHead();
    for (const work of works(values.requests)) await compareWork(lenj, etcd, work, { rounds: values.rounds, folder: `${folder}/load` });
    const scenarios: ((cluster: BenchCluster) => Promise<Figure[]>)[] = [
      (cluster) => watcherFigures(cluster, 1_000),
      async (cluster) => [await leaderLoss(cluster)],
      ...(values.keys === 0
        ? []
        : [
            (cluster: BenchCluster) => grow(cluster, 0, values.keys),
            async (cluster: BenchCluster) => [await restart(cluster, values.keys)],
          ]),
    ];
    for (const scenario of scenarios) {
      const [ours, theirs] = [await scenario(lenj), await scenario(etcd)];
      for (const [n, figure] of ours.entries()) printFigure(figure, theirs[n]?.value ?? Number.NaN);
    }
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.close()));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Ratios of neighbours in time, so that a change of the machine's speed meets both: ours first and last in turn. */
async function compareWork(lenj: BenchCluster, etcd: BenchCluster, work: Work, how: { rounds: number; folder: string }): Promise<void> {
  const pairs: { readonly ours: Load; readonly theirs: Load }[] = [];
  const measure = (cluster: BenchCluster): Promise<Load> => load(cluster, work.path, work.message, work.shape, how.folder);
  for (let round = 0; round < how.rounds; round += 1) {
    if (round % 2 === 0) {
      const ours = await measure(lenj);
      pairs.push({ ours, theirs: await measure(etcd) });
    } else {
      const theirs = await measure(etcd);
      pairs.push({ ours: await measure(lenj), theirs });
    }
  }
  const of = (read: (load: Load) => number): string => {
    const [ours, theirs] = [median(pairs.map((pair) => read(pair.ours))), median(pairs.map((pair) => read(pair.theirs)))];
    const ratio = median(pairs.map((pair) => read(pair.ours) / read(pair.theirs)));
    return `${short(ours)}/${short(theirs)}=${ratio.toFixed(2)}`.padStart(22);
  };
  console.log(
    [
      work.name.padEnd(38),
      of((one) => one.perSecond),
      of((one) => one.p50Ms),
      of((one) => one.p99Ms),
      of((one) => one.cpuMicros),
      of((one) => one.writtenBytesEach),
    ].join(" "),
  );
}

function printHead(): void {
  const columns = ["per second", "p50 ms", "p99 ms", "CPU us each", "bytes written each"];
  console.log(["lenj/etcd=ratio".padEnd(38), ...columns.map((column) => column.padStart(22))].join(" "));
}

function printFigure({ name, unit, value, better }: Figure, theirs: number): void {
  console.log(
    `${name.padEnd(50)} ${`${short(value)}/${short(theirs)}=${(value / theirs).toFixed(2)}`.padStart(24)} ${unit}, ${better} is better`,
  );
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
