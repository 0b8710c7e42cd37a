// What one core gives in unary echo calls: the drivers of @lenj/rpc-server in turn, asked by h2load (Debian package nghttp2-client).
// Server CPU is what the kernel says the server used, so that the client's share of the machine does not matter.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

const serverProgram = fileURLToPath(new URL("rpc-server.js", import.meta.url));
const drivers = ["lean", "grpc-js"] as const;
const rounds = 3;
const callsARound: Readonly<Record<(typeof drivers)[number], number>> = { lean: 400_000, "grpc-js": 40_000 };
const [connections, streams] = [4, 32];
const message = Buffer.alloc(16, 0x78);
/** The kernel counts in hundredths of a second. */
const ticksPerSecond = 100;

export async function benchRpc(): Promise<void> {
  if (spawnSync("h2load", ["--version"]).status !== 0) throw new Error("h2load is not installed (Debian package nghttp2-client)");
  const folder = mkdtempSync(`${tmpdir()}/lenj-bench-`);
  const request = `${folder}/request`;
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  writeFileSync(request, Buffer.concat([prefix, message]));
  const servers: { name: (typeof drivers)[number]; process: ChildProcess; port: number; found: number[] }[] = [];
  try {
    for (const name of drivers) {
      const server = spawn(process.execPath, [serverProgram, name], { stdio: ["ignore", "pipe", "inherit"], detached: true });
      const [line] = (await once(server.stdout, "data")) as [Buffer];
      servers.push({ name, process: server, port: Number(line), found: [] });
    }
    console.log(["driver".padEnd(10), "calls /s".padStart(10), "calls /s of server CPU".padStart(24), "µs a call".padStart(10)].join(" "));
    for (let round = 0; round <= rounds; round++) {
      for (const { name, process: server, port, found } of servers) {
        const calls = callsARound[name];
        const [beforeTicks, startedMs] = [cpuTicks(server), performance.now()];
        load(port, request, calls);
        const [ticks, tookMs] = [cpuTicks(server) - beforeTicks, performance.now() - startedMs];
        // The first round warms up.
        if (round === 0) continue;
        found.push((calls * ticksPerSecond) / ticks);
        if (round === rounds) {
          const perCPUSecond = found.sort((a, b) => a - b)[Math.floor(found.length / 2)] ?? 0;
          console.log(
            [
              name.padEnd(10),
              ((calls * 1_000) / tookMs).toFixed(0).padStart(10),
              perCPUSecond.toFixed(0).padStart(24),
              (1e6 / perCPUSecond).toFixed(1).padStart(10),
            ].join(" "),
          );
        }
      }
    }
  } finally {
    for (const { process: server } of servers) server.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

function load(port: number, request: string, calls: number): void {
  const { stdout } = spawnSync(
    "h2load",
    [
      `--requests=${calls}`,
      `--clients=${connections}`,
      `--max-concurrent-streams=${streams}`,
      `--data=${request}`,
      "--header=content-type: application/grpc",
      "--header=te: trailers",
      `http://127.0.0.1:${port}/bench.Echo/Echo`,
    ],
    { encoding: "utf8" },
  );
  const succeeded = /(\d+) succeeded/.exec(stdout)?.[1];
  if (Number(succeeded) !== calls) throw new Error(`h2load: ${succeeded ?? "no"} of ${calls} calls succeeded\n${stdout}`);
}

/** User and system time so far, of a process whose name has no blanks. */
function cpuTicks({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(" ");
  return Number(fields[13]) + Number(fields[14]);
}
