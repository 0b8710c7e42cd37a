import { parseArgs } from "node:util";
import { runChaos } from "./run-chaos.js";

const usage =
  "usage: chaos:store [--replicas 3] [--seconds 60] [--seed N] [--disks]\n--disks: fills and freezes disks too; needs root.\nExit status 1 when a guarantee was broken.\n";

const { values } = parseArgs({
  options: {
    replicas: { type: "string", default: "3" },
    seconds: { type: "string", default: "60" },
    disks: { type: "boolean", default: false },
    seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
  },
});
const [replicas, seconds, seed] = [Number(values.replicas), Number(values.seconds), Number(values.seed)];
if (![replicas, seconds, seed].every(Number.isSafeInteger)) {
  process.stderr.write(usage);
  process.exitCode = 2;
} else {
  const log = (line: string): void => void process.stdout.write(`${line}\n`);
  log(`replicas ${replicas}, seconds ${seconds}, seed ${seed}${values.disks ? ", disks" : ""}`);
  const { broken, ...figures } = await runChaos({ replicas, seconds, seed, disks: values.disks, log });
  log(JSON.stringify(figures));
  for (const what of broken) log(`BROKEN: ${what}`);
  process.exitCode = broken.length === 0 ? 0 : 1;
}
