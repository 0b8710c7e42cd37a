// Load by nghttp2's h2load: one request, sent again and again over many connections. It costs far less processor than any server.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import type { BenchCluster } from "./cluster.js";

export interface LoadShape {
  /** Requests under way in all. */
  readonly clients: number;
  readonly connections: number;
  readonly requests: number;
}

export interface Load {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of all members for one operation, in microseconds. */
  readonly cpuMicros: number;
  readonly writtenBytesEach: number;
}

const grpcHeaderBytes = 5;

/** Sends `message` to a method at every member, a third of the connections each. Throws when a request fails. */
export async function load(cluster: BenchCluster, path: string, message: Uint8Array, shape: LoadShape, folder: string): Promise<Load> {
  const body = `${folder}/body`;
  const framed = Buffer.alloc(grpcHeaderBytes + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, grpcHeaderBytes);
  writeFileSync(body, framed);
  const members = Math.min(cluster.endpoints.length, shape.connections);
  const before = cluster.usage();
  const startedMs = performance.now();
  const times = await Promise.all(
    cluster.endpoints.slice(0, members).map((endpoint, n) =>
      run(`${endpoint}${path}`, body, `${folder}/times-${n}`, {
        clients: Math.ceil(shape.clients / members),
        connections: Math.ceil(shape.connections / members),
        requests: Math.ceil(shape.requests / members),
      }),
    ),
  );
  const seconds = (performance.now() - startedMs) / 1_000;
  const after = cluster.usage();
  const all = Float64Array.from(times.flat()).sort();
  return {
    perSecond: all.length / seconds,
    p50Ms: (all[Math.floor(all.length / 2)] ?? 0) / 1_000,
    p99Ms: (all[Math.floor(all.length * 0.99)] ?? 0) / 1_000,
    cpuMicros: ((after.cpuSeconds - before.cpuSeconds) * 1e6) / all.length,
    writtenBytesEach: (after.writtenBytes - before.writtenBytes) / all.length,
  };
}

/** Returns each request's time in microseconds. */
async function run(url: string, body: string, log: string, shape: LoadShape): Promise<number[]> {
  const streams = Math.max(1, Math.round(shape.clients / shape.connections));
  writeFileSync(log, "");
  const child = spawn(
    "setsid",
    [
      ...["--wait", "h2load", `--clients=${shape.connections}`, `--max-concurrent-streams=${streams}`, `--requests=${shape.requests}`],
      ...[`--data=${body}`, `--log-file=${log}`, "--header=content-type: application/grpc", "--header=te: trailers", url],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(child, "close");
  const succeeded = Number(/(\d+) succeeded/.exec(output)?.[1] ?? 0);
  if (succeeded !== shape.requests) throw new Error(`h2load at ${url}: ${succeeded} of ${shape.requests} requests succeeded\n${output}`);
  // Each line: start time, status, duration.
  return readFileSync(log, "utf8")
    .trim()
    .split("\n")
    .map((line) => Number(line.split("\t")[2]));
}
