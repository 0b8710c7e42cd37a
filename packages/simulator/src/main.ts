import { parseArgs } from "node:util";
import { deriveOptions } from "./options.js";
import { runSimulation, type SimulationResult } from "./simulation.js";

const usage = `usage: simulator [--seed N] [--seeds COUNT] [--trace] [--twice]
  --seed N       first seed; default: drawn from the clock and printed
  --seeds COUNT  how many seeds, counting up; default 1
  --trace        print every traced event (one seed)
  --twice        run each seed twice and compare the trace hashes
Exit status 1 when a guarantee was broken; the seed printed with it replays the run.`;

function main(): number {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string", default: "1" },
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
  let failures = 0;
  let undecided = 0;
  const startedMs = performance.now();
  for (let seed = first; seed < first + count; seed += 1) {
    const options = deriveOptions(seed);
    if (count === 1) process.stdout.write(`seed ${seed} options ${JSON.stringify(options)}\n`);
    const result = runSimulation(options, values.trace ? { onTrace: (line) => process.stdout.write(line) } : {});
    const again = values.twice ? runSimulation(options) : result;
    const isRepeatable = again.traceHash === result.traceHash;
    if (result.linearizability === "undecided") undecided += 1;
    if (count === 1 || result.violation !== undefined || !isRepeatable) process.stdout.write(`${describe(result)}\n`);
    if (!isRepeatable) process.stdout.write(`seed ${seed} is not repeatable: ${result.traceHash} then ${again.traceHash}\n`);
    if (result.violation !== undefined || !isRepeatable) failures += 1;
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(`${count} seeds from ${first}: ${failures} failed, ${undecided} histories undecided, ${seconds} s\n`);
  return failures === 0 ? 0 : 1;
}

function describe(result: SimulationResult): string {
  const { seed, violation, ...rest } = result;
  return `seed ${seed}: ${violation ?? "ok"} ${JSON.stringify(rest)}`;
}

process.exitCode = main();
