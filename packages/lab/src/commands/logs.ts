// `lenj logs`: what a process wrote, and with --follow what it goes on to write.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { planTopology } from "../core/topology.js";
import { readLab } from "../drivers/lab-state.js";
import { logFileOf } from "../drivers/supervisor.js";

export async function logs(name: string, options: { state: string; follow: boolean; tail: string }): Promise<void> {
  const { config, paths } = readLab(options.state);
  const names = ["supervisor", ...planTopology(config, paths).processes.map((spec) => spec.name)];
  if (!names.includes(name)) throw new Error(`Unknown process ${JSON.stringify(name)}: must be one of ${names.join(", ")}`);
  const file = logFileOf(paths, name);
  if (!existsSync(file)) throw new Error(`${name} has written nothing yet`);
  const tail = spawn("tail", ["-n", options.tail === "-1" ? "+1" : options.tail, ...(options.follow ? ["-F"] : []), file], {
    stdio: "inherit",
  });
  await new Promise<void>((resolve) => tail.once("exit", () => resolve()));
}
