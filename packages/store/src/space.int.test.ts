// Space runs out and comes back: the warning, the alarm, what is still allowed, and that the alarm clears itself.
import { eventually, StoreCluster } from "./testing/index.js";

jest.setTimeout(120_000);

const quotaBytes = 1_000_000;
const value = "x".repeat(20_000);
const noSpace = "etcdserver: mvcc: database space exceeded";

describe("the space quota", () => {
  let cluster: StoreCluster;

  beforeAll(async () => {
    cluster = await StoreCluster.create({ members: 1, flags: ["--quota-backend-bytes", String(quotaBytes)] });
    cluster.startAll();
    await eventually(() => Promise.resolve(cluster.etcdctl(["put", "first", "1"]).code === 0 ? true : undefined));
  });

  afterAll(() => cluster.close());

  const seen = (text: string): Promise<boolean> => eventually(() => Promise.resolve(cluster.log("s1").includes(text) ? true : undefined));

  it("warns before it is reached, refuses writes at it and not deletions, and lets writes go on by itself once there is room", async () => {
    const outcomes: string[] = [];
    for (let number = 0; number < 100 && !outcomes.at(-1)?.includes(noSpace); number += 1) {
      // Past 80 % of the quota now.
      if (number === 42) await seen("Space is running out");
      outcomes.push(cluster.etcdctl(["put", `k${number}`, value]).stderr);
    }
    expect(outcomes.at(-1)).toContain(noSpace);
    expect(outcomes.length).toBeGreaterThan(40);
    expect(cluster.etcdctl(["alarm", "list"]).stdout).toContain("alarm:NOSPACE");
    for (const args of [
      ["put", "more", value],
      ["put", "small", "1"],
      ["lease", "grant", "60"],
    ])
      expect(cluster.etcdctl(args).stderr).toContain(noSpace);
    expect(cluster.etcdctl(["get", "first"]).stdout).toBe("first\n1\n");
    // Without any command that lifts the alarm.
    expect(cluster.etcdctl(["del", "k", "--prefix"]).code).toBe(0);
    expect(cluster.etcdctl(["txn"], { input: '\n\ndel "first"\n\n\n' }).stdout).toContain("SUCCESS");
    const revision = /"revision":(\d+)/.exec(cluster.etcdctl(["get", "first", "-w", "json"]).stdout)?.[1] ?? "";
    expect(cluster.etcdctl(["compact", revision]).code).toBe(0);
    await eventually(() => Promise.resolve(cluster.etcdctl(["alarm", "list"]).stdout === "" ? true : undefined));
    expect(cluster.etcdctl(["put", "again", value]).code).toBe(0);
    // The member goes on before its output has arrived.
    await seen("Cleared alarm");
  });
});

describe("--auto-compaction-retention", () => {
  it("forgets what is older by itself, and leaves what is newer", async () => {
    const cluster = await StoreCluster.create({
      members: 1,
      flags: ["--auto-compaction-mode", "periodic", "--auto-compaction-retention", "2s"],
    });
    try {
      cluster.startAll();
      await eventually(() => Promise.resolve(cluster.etcdctl(["put", "k", "old"]).code === 0 ? true : undefined));
      for (const written of ["1", "2", "3"]) expect(cluster.etcdctl(["put", "k", written]).code).toBe(0);
      await eventually(() =>
        Promise.resolve(
          cluster.etcdctl(["get", "k", "--rev", "2"]).stderr.includes("required revision has been compacted") ? true : undefined,
        ),
      );
      expect(cluster.etcdctl(["get", "k"]).stdout).toBe("k\n3\n");
      expect(cluster.log("s1")).toContain("Compacted");
    } finally {
      await cluster.close();
    }
  });
});
