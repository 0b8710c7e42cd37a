#!/usr/bin/env node
// `npm run differential`: random requests to our store and to Debian's etcd, answers compared.
import { intFlag, parseFlags } from "@lenj/component-base";
import { runDifferential } from "./differential/run.js";
import { plain } from "./differential/subject.js";

const { values, problems } = parseFlags(
  {
    requests: intFlag("How many requests", 10_000),
    seed: intFlag("Seed of the requests", 1),
    "differences-max": intFlag("Differences after which to end", 20),
  },
  process.argv.slice(2),
);
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) process.exit(2);
const report = await runDifferential({
  requests: values.requests,
  seed: values.seed,
  differencesMax: values.differencesMax,
  onProgress: (done) => process.stdout.write(`${done} requests\n`),
});
for (const difference of report.differences) process.stdout.write(`${JSON.stringify(difference, plain)}\n`);
for (const [reason, count] of report.known) process.stdout.write(`known, ${count} times: ${reason}\n`);
process.stdout.write(
  `seed ${values.seed}: ${report.requests} requests, ${report.errors} errors agreed on, ${report.watchLines} watch lines since the last look, ${report.differences.length} differences\n`,
);
process.exit(report.differences.length === 0 ? 0 : 1);
