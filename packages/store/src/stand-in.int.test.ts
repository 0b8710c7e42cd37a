// As scripts and test harnesses run etcd: flags and ETCD_ variables, ready by /health, ended by SIGTERM.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { unservedFlags } from "./flags/etcd-flags.js";
import { storeFlags } from "./options.js";
import { eventually, freePort } from "./testing/index.js";

jest.setTimeout(60_000);

const main = fileURLToPath(new URL("main.js", import.meta.url));
const run = (args: readonly string[], env: Record<string, string> = {}): { child: ChildProcess; output: () => string } => {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, ...env },
    cwd: tmpdir(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { child, output: () => text };
};

describe("lenj-store in etcd's place", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lenj-stand-in-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("starts from flags and variables, also those that mean nothing here, serves, and ends with 0", async () => {
    const [client, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    const { child, output } = run(
      [
        ...["--data-dir", folder, "-listen-client-urls", client, "--advertise-client-urls", client, `--listen-peer-urls=${peer}`],
        ...["--logger=zap", "--log-level", "info", "--log-outputs", "stderr", "--snapshot-count=5000", "--enable-v2=false", "--pre-vote"],
        ...["--auto-compaction-mode=revision", "--auto-compaction-retention=1000", "--max-txn-ops=256", "--strict-reconfig-check=false"],
      ],
      { ETCD_NAME: "standin", ETCD_INITIAL_CLUSTER: `standin=${peer}`, ETCD_INITIAL_ADVERTISE_PEER_URLS: peer },
    );
    const exited = once(child, "exit");
    try {
      await eventually(async () => ((await (await fetch(`${client}/health`)).text()).includes('"health":"true"') ? true : undefined));
      const body = JSON.stringify({ key: btoa("k"), value: btoa("v") });
      expect((await fetch(`${client}/v3/kv/put`, { method: "POST", body })).status).toBe(200);
      expect(output()).toContain('"flag":"pre-vote","reason":"pre-votes are always held"');
    } finally {
      child.kill("SIGTERM");
    }
    expect(await exited).toEqual([0, null]);
  });

  it("starts from a configuration file, whatever flags say", async () => {
    const [client, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    const [file, log] = [join(folder, "etcd.yml"), join(folder, "log")];
    writeFileSync(
      file,
      `name: filed
data-dir: ${folder}/data
listen-client-urls: ${client}
advertise-client-urls: ${client}
listen-peer-urls: ${peer}
initial-advertise-peer-urls: ${peer}
initial-cluster: filed=${peer}
max-txn-ops: 1
log-outputs: [${log}, stderr]
`,
    );
    const { child, output } = run(["--config-file", file, "--name=flagged", "--data-dir=/nowhere", "--max-txn-ops=5"]);
    const exited = once(child, "exit");
    try {
      await eventually(async () => ((await (await fetch(`${client}/health`)).text()).includes('"health":"true"') ? true : undefined));
      const put = { request_put: { key: btoa("k"), value: "" } };
      const body = JSON.stringify({ success: [put, { request_range: { key: btoa("k") } }] });
      expect(await (await fetch(`${client}/v3/kv/txn`, { method: "POST", body })).text()).toContain("too many operations in txn request");
      const members = await (await fetch(`${client}/v3/cluster/member/list`, { method: "POST", body: "{}" })).text();
      expect(members).toContain('"name":"filed"');
    } finally {
      child.kill("SIGTERM");
    }
    expect(await exited).toEqual([0, null]);
    expect(output()).toContain("Loading server configuration from");
    expect(readFileSync(log, "utf8")).toContain('"message":"Stopped"');
  });

  it.each([
    { args: ["--nope"], code: 2, problem: "flag provided but not defined: -nope\nUsage:\n" },
    { args: ["--election-timeout=abc"], code: 2, problem: 'invalid value "abc" for flag -election-timeout: parse error\nUsage:\n' },
    { args: ["--name=b"], code: 1, problem: 'conflicting environment variable "ETCD_NAME" is shadowed by corresponding command-line flag' },
    { args: ["--wal-dir=/w"], code: 1, problem: "error verifying flags, --wal-dir=/w is not supported: " },
    {
      args: ["--election-timeout=100"],
      code: 1,
      problem: "--election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]. See 'lenj-store --help'.",
    },
    {
      args: ["--listen-client-urls=http://127.0.0.1:1"],
      code: 1,
      problem: "error verifying flags, --advertise-client-urls is required when --listen-client-urls is set explicitly.",
    },
    {
      args: ["--listen-peer-urls=http://etcd.example:1"],
      code: 1,
      problem: "error verifying flags, expected IP in URL for binding (http://etcd.example:1).",
    },
  ])("refuses $args as etcd does, with code $code", async ({ args, code, problem }) => {
    const { child, output } = run(args, { ETCD_NAME: "a" });
    const [ended] = (await once(child, "close")) as [number];
    expect(output()).toContain(problem);
    expect(ended).toBe(code);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("tells etcd's version to scripts", async () => {
    const { child, output } = run(["--version"]);
    expect(await once(child, "close")).toEqual([0, null]);
    expect(output()).toMatch(/^etcd Version: 3\.6\.\d+\n/);
  });

  it("knows every flag of the etcd that is installed", () => {
    const help = spawnSync("etcd", ["--help"], { encoding: "utf8" }).stdout ?? "";
    const flags = [...help.matchAll(/^ {2}--([a-z][a-z0-9-]*)/gm)].map(([, name = ""]) => name);
    expect(flags.filter((name) => !Object.hasOwn(storeFlags, name) && !Object.hasOwn(unservedFlags, name))).toEqual([]);
  });
});
