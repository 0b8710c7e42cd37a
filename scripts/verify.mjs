// `npm run verify`: everything a machine can check without running tests. All checks run; the exit code says whether all passed.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { setUp } from "./setup.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = (name) => `${root}node_modules/.bin/${name}`;

setUp(); // generates and type-checks
const checks = [
  ["format and lint", bin("biome"), ["check", "--error-on-warnings", "."]],
  ["promises", bin("oxlint"), ["--type-aware", "--quiet", "packages", "scripts/src"]],
  ["proto files", bin("buf"), ["lint"]],
  ["package boundaries", process.execPath, ["scripts/dist/verify-layers.js"]],
];
let failed = 0;
for (const [name, command, args] of checks) {
  const startedMs = performance.now();
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: `${root}node_modules/.bin:${process.env.PATH}` },
  });
  process.stdout.write(`[verify] ${name}: ${status === 0 ? "ok" : "FAILED"} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)\n`);
  if (status !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
