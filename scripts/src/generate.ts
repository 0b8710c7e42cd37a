// Generates packages/proto/src/gen from /proto: buf and ts-proto for the wires, our own generator for the Kubernetes types.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

function run(command: string, args: string[]): void {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: `${root}node_modules/.bin:${process.env["PATH"] ?? ""}` },
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

rmSync(`${root}packages/proto/src/gen/wire`, { recursive: true, force: true });
run("buf", ["generate"]);
