// Load by nghttp2's h2load: one message, sent again and again over many connections. It costs far less processor than any server.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { BenchCluster } from "./cluster.js";
import { framed } from "./framing.js";
import { type Load, measure, type Times } from "./load.js";

export interface LoadShape {
  /** Requests under way in all. */
  readonly clients: number;
  readonly connections: number;
  readonly requests: number;
}

export interface RepeatedCall {
  /** Methods to send the message to, in turn. */
  readonly paths: readonly string[];
  readonly message: Uint8Array;
}

/**
 * Sends the message to every member: a third of the connections each, or the one connection there is a third of the time each.
 * Throws when a request fails.
 */
export function repeat(cluster: BenchCluster, { paths, message }: RepeatedCall, shape: LoadShape): Promise<Load> {
  const { endpoints } = cluster;
  const members = Math.min(endpoints.length, shape.connections);
  const each: LoadShape = {
    clients: Math.ceil(shape.clients / members),
    connections: Math.ceil(shape.connections / members),
    requests: Math.ceil(shape.requests / endpoints.length),
  };
  return measure(cluster, async () => {
    const folder = mkdtempSync(`${tmpdir()}/lenj-h2load-`);
    try {
      writeFileSync(`${folder}/body`, framed(message));
      const one = (endpoint: string, n: number): Promise<Request[]> =>
        run([endpoint + paths[0], ...paths.slice(1)], { body: `${folder}/body`, log: `${folder}/times-${n}` }, each);
      if (members > 1) return together([(await Promise.all(endpoints.map(one))).flat()]);
      const turns: Request[][] = [];
      for (const [n, endpoint] of endpoints.entries()) turns.push(await one(endpoint, n));
      return together(turns);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

interface Request {
  readonly startedMs: number;
  readonly tookMs: number;
}

/** Of each turn only the time from its first request to its last answer: not how long h2load takes to start and to end. */
function together(turns: readonly (readonly Request[])[]): Times {
  let ms = 0;
  for (const requests of turns) {
    const ends = requests.map(({ startedMs, tookMs }) => startedMs + tookMs);
    ms +=
      ends.reduce((a, b) => Math.max(a, b), 0) - requests.reduce((least, { startedMs }) => Math.min(least, startedMs), Number.MAX_VALUE);
  }
  return { eachMs: turns.flat().map(({ tookMs }) => tookMs), seconds: ms / 1_000 };
}

async function run(urls: readonly string[], files: { readonly body: string; readonly log: string }, shape: LoadShape): Promise<Request[]> {
  const streams = Math.max(1, Math.round(shape.clients / shape.connections));
  writeFileSync(files.log, "");
  const child = spawn(
    "setsid",
    [
      // Over TLS gRPC clients offer nothing else.
      ...["--wait", "h2load", "--npn-list=h2"],
      ...[`--clients=${shape.connections}`, `--max-concurrent-streams=${streams}`, `--requests=${shape.requests}`],
      ...[`--data=${files.body}`, `--log-file=${files.log}`, "--header=content-type: application/grpc", "--header=te: trailers", ...urls],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(child, "close");
  const succeeded = Number(/(\d+) succeeded/.exec(output)?.[1] ?? 0);
  if (succeeded !== shape.requests) throw new Error(`h2load at ${urls}: ${succeeded} of ${shape.requests} requests succeeded\n${output}`);
  // Each line: start time, HTTP status, duration; times in microseconds.
  return readFileSync(files.log, "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const [started, , took] = line.split("\t").map(Number) as [number, number, number];
      return { startedMs: started / 1_000, tookMs: took / 1_000 };
    });
}
