// A fault under real processes, and what the member that was asked then says about the request.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { eventually, StoreCluster } from "./testing/index.js";

jest.setTimeout(120_000);

interface EndpointStatus {
  readonly Endpoint: string;
  readonly Status: { readonly header: { readonly member_id: number }; readonly leader: number };
}

describe("a slow request", () => {
  let cluster: StoreCluster;
  let leader: { readonly name: string; readonly clientURL: string };

  beforeAll(async () => {
    // Long enough that no leader changes, however busy the machine is.
    cluster = await StoreCluster.create({ members: 3, flags: ["--election-timeout", "4000"] });
    cluster.startAll();
    leader = await eventually(() => {
      const { stdout } = cluster.etcdctl(["endpoint", "status", "-w", "json"]);
      const found = (JSON.parse(stdout) as EndpointStatus[]).find(({ Status }) => Status.leader === Status.header.member_id);
      return Promise.resolve(cluster.addresses.find(({ clientURL }) => clientURL === found?.Endpoint));
    });
  });

  afterAll(() => cluster.close());

  const metrics = async (): Promise<string> => (await fetch(`${leader.clientURL}/metrics`)).text();

  it("while the followers are paused is blamed on raft, in one line that has the key and not the value", async () => {
    const followers = cluster.addresses.filter(({ name }) => name !== leader.name);
    for (const { name } of followers) await cluster.signal(name, "SIGSTOP");
    const put = spawn("etcdctl", ["--endpoints", leader.clientURL, "put", "/registry/slow", "secret"], {
      env: { ...process.env, ETCDCTL_API: "3" },
      stdio: "ignore",
    });
    const exited = once(put, "exit");
    await eventually(async () => ((await metrics()).includes("\netcd_server_proposals_pending 1\n") ? true : undefined));
    // How long the fault lasts: more than the 300 ms from which requests are warned of.
    await new Promise((resolve) => setTimeout(resolve, 350));
    for (const { name } of followers) await cluster.signal(name, "SIGCONT");
    await exited;
    const line = await eventually(() =>
      Promise.resolve(
        cluster
          .log(leader.name)
          .split("\n")
          .find((each) => each.includes("Slow request") && each.includes("/registry/slow")),
      ),
    );
    expect(JSON.parse(line)).toMatchObject({ level: "warn", method: "Put", sizeBytes: 20, slowest: "raft" });
    expect(line).not.toContain("secret");
    expect(await metrics()).toMatch(/\nlenj_store_request_stage_duration_seconds_count\{stage="raft"\} [1-9]/);
  });
});
