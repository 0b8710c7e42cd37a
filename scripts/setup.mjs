// Brings a checkout from whatever state to built: dependencies, generated files, compiled packages. Quick when nothing changed.
// Plain JavaScript, because it runs before a compiler is installed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const installStamp = `${root}node_modules/.lenj-installed`;

/** Does all of it; ends the process with the exit code of the step that failed. */
export function setUp({ quiet = false } = {}) {
  const say = (text) => {
    if (!quiet) process.stdout.write(`[setup] ${text}\n`);
  };
  const wanted = createHash("sha256")
    .update(readFileSync(`${root}package-lock.json`))
    .update(process.version)
    .digest("hex");
  if (!existsSync(installStamp) || readFileSync(installStamp, "utf8") !== wanted) {
    say("installing dependencies (npm ci)");
    step("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    writeFileSync(installStamp, wanted);
  }
  const startedMs = performance.now();
  step(`${root}node_modules/.bin/tsc`, ["-b", "scripts"]);
  step(process.execPath, [`${root}scripts/dist/generate.js`]);
  step(`${root}node_modules/.bin/tsc`, ["-b"]);
  linkPrograms();
  say(`generated and compiled (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
}

/** Makes `npx lenj` and its like work: npm links programs when it installs, which is before they are compiled. */
function linkPrograms() {
  mkdirSync(`${root}node_modules/.bin`, { recursive: true });
  for (const folder of readdirSync(`${root}packages`)) {
    const { bin = {} } = JSON.parse(readFileSync(`${root}packages/${folder}/package.json`, "utf8"));
    for (const [name, file] of Object.entries(bin)) {
      const program = `${root}packages/${folder}/${file}`;
      if (!existsSync(program)) continue;
      chmodSync(program, 0o755);
      const link = `${root}node_modules/.bin/${name}`;
      if (existsSync(link)) continue;
      rmSync(link, { force: true });
      symlinkSync(`../../packages/${folder}/${file}`, link);
    }
  }
}

export function step(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], ...options });
  if (result.error !== undefined) {
    process.stderr.write(`${command}: ${result.error.message}\n`);
    process.exit(1);
  }
  if (result.status !== 0) process.exit(result.status ?? 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setUp();
