import { parseArgs } from "node:util";
import { deriveOptions } from "./options.js";
import { runSimulation } from "./simulation.js";
import { deriveStoreOptions } from "./store/store-options.js";
import { runStoreSimulation } from "./store/store-simulation.js";

const usage = `usage: simulator [--seed N] [--seeds COUNT] [--raft] [--trace] [--twice]
  --seed N       first seed; default: drawn from the clock and printed
  --seeds COUNT  how many seeds, counting up; default 1
  --raft         clusters of raft cores alone (joint configurations, odd settings) instead of whole stores
  --trace        print every traced event (one seed)
  --twice        run each seed twice and compare the trace hashes
Exit status 1 when a guarantee was broken; the seed printed with it replays the run.`;

interface Result {
  readonly seed: number;
  readonly violation: string | undefined;
  readonly traceHash: string;
  readonly linearizability: string;
}

type Settings = { onTrace?: (line: string) => void };

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string", default: "1" },
      raft: { type: "boolean", default: false },
      trace: { type: "boolean", default: false },
      twice: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const first = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  const count = Number(values.seeds);
  if (values.help || !Number.isSafeInteger(first) || !Number.isSafeInteger(count)) {
    process.stdout.write(`${usage}\n`);
    return values.help ? 0 : 2;
  }
  const derive = values.raft ? deriveOptions : deriveStoreOptions;
  const run = async (seed: number, settings: Settings): Promise<Result> =>
    values.raft ? runSimulation(deriveOptions(seed), settings) : await runStoreSimulation(deriveStoreOptions(seed), settings);
  let failures = 0;
  let undecided = 0;
  const startedMs = performance.now();
  for (let seed = first; seed < first + count; seed += 1) {
    if (count === 1) process.stdout.write(`seed ${seed} options ${JSON.stringify(derive(seed))}\n`);
    const result = await run(seed, values.trace ? { onTrace: (line) => process.stdout.write(line) } : {});
    const again = values.twice ? await run(seed, {}) : result;
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
