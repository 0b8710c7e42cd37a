// `lenj-store endpoint status` beside etcdctl's.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { eventually, StoreCluster } from "../testing/index.js";

jest.setTimeout(120_000);

const program = fileURLToPath(new URL("../main.js", import.meta.url));

interface Shown {
  readonly endpoint: string;
  readonly id: string;
  readonly role: string;
  readonly lag: number;
  readonly term: number;
  readonly dbSizeBytes: number;
  readonly errors: readonly string[];
  readonly failure?: string;
}

describe("endpoint status", () => {
  let cluster: StoreCluster;

  beforeAll(async () => {
    cluster = await StoreCluster.create({ members: 3 });
    cluster.startAll();
    await eventually(() => Promise.resolve(cluster.etcdctl(["put", "k", "v"]).code === 0 ? true : undefined));
  });

  afterAll(() => cluster.close());

  function run(...args: string[]): { readonly code: number | null; readonly stdout: string; readonly stderr: string } {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, "endpoint", "status", ...args], { encoding: "utf8" });
    return { code: status, stdout, stderr };
  }

  it("shows what etcdctl shows, and that nobody lags", async () => {
    const endpoints = ["--endpoints", cluster.endpoints.join(",")];
    await eventually(() => {
      const ours = run(...endpoints)
        .stdout.split("\n")
        .map((line) => line.split(", "));
      const theirs = cluster
        .etcdctl(["endpoint", "status"])
        .stdout.split("\n")
        .map((line) => line.split(", "));
      // Ours has the lag before the errors.
      const same = ours.map((cells) => cells.slice(0, 9).join()).join("\n") === theirs.map((cells) => cells.slice(0, 9).join()).join("\n");
      return Promise.resolve(same && ours.slice(0, 3).every((cells) => cells[9] === "0") ? true : undefined);
    });
    const [title = "", heads = ""] = run(...endpoints, "-w", "table").stdout.split("\n");
    expect(title).toMatch(/^\+-+\+/);
    expect(heads).toContain("| RAFT APPLIED INDEX | LAG |");
  });

  it("asks all members by way of one, and says who did not answer", async () => {
    const [first = "", ...others] = cluster.endpoints;
    const json = (...more: string[]): Shown[] =>
      JSON.parse(run("--endpoints", first, "--cluster", "-w", "json", ...more).stdout) as Shown[];
    const all = json();
    expect(all.map(({ endpoint }) => endpoint).sort()).toEqual([...cluster.endpoints].sort());
    expect(all.map(({ role }) => role).sort()).toEqual(["follower", "follower", "leader"]);
    expect(new Set(all.map(({ term }) => term)).size).toBe(1);
    const last = cluster.addresses.find(({ clientURL }) => clientURL === others[1]);
    await cluster.signal(last?.name ?? "", "SIGKILL");
    const partly = run("--endpoints", cluster.endpoints.join(","));
    expect(partly.code).toBe(1);
    expect(partly.stdout.trim().split("\n")).toHaveLength(2);
    expect(partly.stderr).toContain(`Failed to get the status of endpoint ${others[1]}`);
  });
});
