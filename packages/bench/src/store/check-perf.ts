// etcdctl's own check, against each cluster: 60 seconds of puts at a fixed rate, and what it thinks of them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { BenchCluster } from "./cluster.js";

export const checkLoads = ["s", "m", "l"] as const;
export type CheckLoad = (typeof checkLoads)[number];

/** Returns the check's own lines: throughput, slowest request, standard deviation, and its verdict. */
export async function checkPerf(cluster: BenchCluster, load: CheckLoad): Promise<string[]> {
  const authority = cluster.options.certificates?.authorityFile;
  const args = [`--endpoints=${cluster.endpoints.join(",")}`, ...(authority === undefined ? [] : [`--cacert=${authority}`])];
  const child = spawn("setsid", ["--wait", "etcdctl", ...args, "check", "perf", `--load=${load}`], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ETCDCTL_API: "3" },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  await once(child, "close");
  const lines = output.split(/[\r\n]+/).filter((line) => /^(PASS|FAIL)/.test(line));
  if (lines.length === 0) throw new Error(`etcdctl check perf said nothing of use:\n${output}`);
  return lines;
}
