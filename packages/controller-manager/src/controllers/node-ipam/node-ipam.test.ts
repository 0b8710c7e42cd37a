import { resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import { startTestCluster, type TestCluster } from "../../testing/test-cluster.js";
import { CIDRSet } from "./cidr-set.js";
import { createNodeIPAMController } from "./controller.js";

const node = (name: string, podCIDRs?: string[]): corev1.Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name },
  spec: { ...(podCIDRs && { podCIDR: podCIDRs[0] as string, podCIDRs }) },
});

const start = (clusterCIDRs: readonly string[], ...existing: corev1.Node[]): Promise<TestCluster> =>
  startTestCluster({
    controllers: [createNodeIPAMController],
    config: { clusterCIDRs },
    seed: (client) => client.seed(resources.nodes, ...existing),
  });

const rangesOf = ({ client }: TestCluster): Record<string, string[] | undefined> =>
  Object.fromEntries(client.objects<corev1.Node>(resources.nodes).map(({ metadata, spec }) => [metadata?.name, spec?.podCIDRs]));

describe("CIDRSet", () => {
  it.each([
    ["10.244.0.0/16", 24, ["10.244.0.0/24", "10.244.1.0/24"]],
    ["10.244.7.9/16", 25, ["10.244.0.0/25", "10.244.0.128/25"]],
    ["fd00::/48", 64, ["fd00::/64", "fd00:0:0:1::/64"]],
  ])("of %s gives parts of /%d", (cidr, mask, parts) => {
    const set = new CIDRSet(cidr, mask);
    expect([set.allocate(), set.allocate()]).toEqual(parts);
  });

  it("uses a freed part last, and knows when all are given", () => {
    const set = new CIDRSet("10.0.0.0/22", 24);
    set.occupy("10.0.1.0/24");
    set.occupy("192.168.0.0/24");
    expect([set.allocate(), set.allocate()]).toEqual(["10.0.0.0/24", "10.0.2.0/24"]);
    set.release("10.0.0.0/24");
    expect([set.allocate(), set.allocate(), set.allocate()]).toEqual(["10.0.3.0/24", "10.0.0.0/24", undefined]);
  });

  it("refuses parts that are larger than the whole", () => {
    expect(() => new CIDRSet("10.0.0.0/24", 16)).toThrow("node CIDR mask size 16 does not fit cluster CIDR 10.0.0.0/24");
  });
});

describe("node IPAM controller", () => {
  it("gives every node a range of each family, beside those that exist", async () => {
    const cluster = await start(["10.0.0.0/22", "fd00::/48"], node("old", ["10.0.0.0/24", "fd00::/64"]), node("new"));
    await cluster.pass();
    expect(rangesOf(cluster)).toMatchObject({ old: ["10.0.0.0/24", "fd00::/64"], new: ["10.0.1.0/24", "fd00:0:0:1::/64"] });
    await cluster.close();
  });

  it("gives no range twice though the answer to a write was lost", async () => {
    const cluster = await start(["10.0.0.0/23"]);
    const { client } = cluster;
    const patch = client.patch.bind(client);
    let isLost = false;
    client.patch = async (...parameters: Parameters<typeof patch>) => {
      const answer = await patch(...parameters);
      if (isLost || parameters[0].resource !== "nodes") return answer as never;
      isLost = true;
      throw new Error("socket hang up");
    };
    for (const name of ["a", "b", "c"]) {
      await client.create(resources.nodes, node(name));
      await cluster.pass(1_000);
    }
    expect(isLost).toBe(true);
    expect(rangesOf(cluster)).toEqual({ a: ["10.0.0.0/24"], b: ["10.0.1.0/24"], c: undefined });
    await cluster.close();
  });

  it("keeps a range for the node whose write failed, and frees it with the node", async () => {
    const cluster = await start(["10.0.0.0/24"]);
    const { client } = cluster;
    client.onCall = ({ verb, resource }) => {
      if (verb === "patch" && resource === "nodes") throw new Error("connection refused");
    };
    await client.create(resources.nodes, node("a"));
    await cluster.pass(100);
    client.onCall = undefined;
    await cluster.pass(60_000);
    expect(rangesOf(cluster)).toEqual({ a: ["10.0.0.0/24"] });
    await client.create(resources.nodes, node("b"));
    await cluster.pass(1_000);
    expect(client.objects<corev1.Event>(resources.events).map(({ reason }) => reason)).toContain("CIDRNotAvailable");
    await client.delete(resources.nodes, { name: "a" });
    await cluster.pass(600_000);
    expect(rangesOf(cluster)).toEqual({ b: ["10.0.0.0/24"] });
    await cluster.close();
  });
});
