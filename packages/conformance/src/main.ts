#!/usr/bin/env node
// `npm run differential`: random requests to our store and to Debian's etcd, answers compared.
import { intFlag, parseFlags } from "@lenj/component-base";
import { runDifferential } from "./differential/run.js";
import { plain } from "./differential/watch-feed.js";

// grpc-js takes a stack trace for every call, a tenth of this process's time.
Error.stackTraceLimit = 0;
const { values, problems } = parseFlags(
  {
    requests: intFlag("How many requests", 10_000),
    seed: intFlag("Seed of the requests", 1),
    lanes: intFlag("Pairs of servers side by side, each with a seed of its own", 1),
    "differences-max": intFlag("Differences after which to end", 20),
  },
  process.argv.slice(2),
);
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) process.exit(2);
const report = await runDifferential({
  requests: values.requests,
  seed: values.seed,
  lanes: values.lanes,
  differencesMax: values.differencesMax,
  onProgress: (seed, done) => process.stdout.write(`seed ${seed}: ${done} requests\n`),
});
for (const difference of report.differences) process.stdout.write(`${JSON.stringify(difference, plain)}\n`);
for (const [reason, count] of report.known) process.stdout.write(`known, ${count} times: ${reason}\n`);
const asked = [...report.asked].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, times]) => `${name} ${times}`);
process.stdout.write(`asked: ${asked.join(", ")}\n`);
process.stdout.write(
  `seed ${values.seed}: ${report.requests} requests, ${report.errors} errors agreed on, ${report.events} events, ${report.differences.length} differences\n`,
);
process.exit(report.differences.length === 0 ? 0 : 1);
