// As scripts and test harnesses run etcd: flags and ETCD_ variables, ready by /health, ended by SIGTERM.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually, freePort } from "./testing/index.js";

jest.setTimeout(60_000);

const main = fileURLToPath(new URL("main.js", import.meta.url));
const run = (args: readonly string[], env: Record<string, string> = {}): { child: ChildProcess; output: () => string } => {
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
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
      expect(output()).toContain("Ignoring flags that mean nothing here");
    } finally {
      child.kill("SIGTERM");
    }
    expect(await exited).toEqual([0, null]);
  });

  it("refuses what a variable and a flag both say", async () => {
    const { child, output } = run(["--name=b", "--data-dir", folder], { ETCD_NAME: "a" });
    expect((await once(child, "exit"))[0]).not.toBe(0);
    expect(output()).toContain('conflicting environment variable "ETCD_NAME" is shadowed by corresponding command-line flag');
  });
});
