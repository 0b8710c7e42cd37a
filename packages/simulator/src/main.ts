import { parseArgs } from "node:util";
import { deriveOptions } from "./options.js";
import { runSimulation } from "./simulation.js";
import { describeFinding, findPlant, plantedBug, plantedBugs } from "./store/plants/find-plants.js";
import { deriveStoreOptions } from "./store/store-options.js";
import { runStoreSimulation } from "./store/store-simulation.js";

const usage = `usage: simulator [--seed N] [--seeds COUNT] [--raft] [--trace] [--twice] [--plant NAME | --plants]
  --seed N       first seed; default: drawn from the clock and printed
  --seeds COUNT  how many seeds, counting up; default 1
  --raft         clusters of raft cores alone (joint configurations, odd settings) instead of whole stores
  --trace        print every traced event (one seed)
  --twice        run each seed twice and compare the trace hashes
  --plant NAME   put a bug into the stores
  --plants       put in each in turn, and print after how many seeds (COUNT at most) it is found, and by what
Exit status 1 when a guarantee was broken (with --plants: when a bug was not found); the seed printed with it replays the run.`;

interface Result {
  readonly seed: number;
  readonly violation: string | undefined;
  readonly traceHash: string;
  readonly linearizability: string;
}

interface Run {
  readonly first: number;
  readonly count: number;
  readonly isTraced: boolean;
  readonly isTwice: boolean;
  readonly describeOptions: (seed: number) => string;
  readonly run: (seed: number, settings: { onTrace?: (line: string) => void }) => Promise<Result>;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string", default: "1" },
      raft: { type: "boolean", default: false },
      trace: { type: "boolean", default: false },
      twice: { type: "boolean", default: false },
      plant: { type: "string" },
      plants: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const first = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  const count = Number(values.seeds);
  const bug = values.plant === undefined ? undefined : plantedBug(values.plant);
  const isWrong = !Number.isSafeInteger(first) || !Number.isSafeInteger(count) || (values.plant !== undefined && bug === undefined);
  if (values.help || isWrong) {
    process.stdout.write(`${usage}\nBugs: ${plantedBugs.map(({ name }) => name).join(", ")}\n`);
    return values.help ? 0 : 2;
  }
  if (values.plants) return await findAllPlants(first, count);
  return await runSeeds({
    first,
    count,
    isTraced: values.trace,
    isTwice: values.twice,
    describeOptions: (seed) => JSON.stringify(values.raft ? deriveOptions(seed) : deriveStoreOptions(seed)),
    run: async (seed, settings) =>
      values.raft
        ? runSimulation(deriveOptions(seed), settings)
        : await runStoreSimulation(
            { ...deriveStoreOptions(seed), ...bug?.corner },
            bug === undefined ? settings : { ...settings, plant: bug.plant() },
          ),
  });
}

async function findAllPlants(first: number, count: number): Promise<number> {
  process.stdout.write("| etcd issue | symptom | planted here | found within, by |\n|---|---|---|---|\n");
  let missed = 0;
  for (const bug of plantedBugs) {
    const finding = await findPlant(bug, first, count);
    if (finding.seeds === undefined) missed += 1;
    process.stdout.write(`${describeFinding(finding)}\n`);
  }
  return missed === 0 ? 0 : 1;
}

async function runSeeds({ first, count, isTraced, isTwice, describeOptions, run }: Run): Promise<number> {
  let failures = 0;
  let undecided = 0;
  const startedMs = performance.now();
  for (let seed = first; seed < first + count; seed += 1) {
    if (count === 1) process.stdout.write(`seed ${seed} options ${describeOptions(seed)}\n`);
    const result = await run(seed, isTraced ? { onTrace: (line) => process.stdout.write(line) } : {});
    const again = isTwice ? await run(seed, {}) : result;
    const isRepeatable = again.traceHash === result.traceHash;
    if (result.linearizability === "undecided") undecided += 1;
    if (count === 1 || result.violation !== undefined || !isRepeatable) process.stdout.write(`${describe(result)}\n`);
    if (!isRepeatable) process.stdout.write(`seed ${seed} is not repeatable: ${result.traceHash} then ${again.traceHash}\n`);
    if (result.violation !== undefined || !isRepeatable) failures += 1;
  }
  const seconds = (performance.now() - startedMs) / 1000;
  process.stdout.write(
    `${count} seeds from ${first}: ${failures} failed, ${undecided} histories undecided, ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(1)} seeds/s\n`,
  );
  return failures === 0 ? 0 : 1;
}

function describe(result: Result): string {
  const { seed, violation, ...rest } = result;
  return `seed ${seed}: ${violation ?? "ok"} ${JSON.stringify(rest)}`;
}

process.exitCode = await main();
