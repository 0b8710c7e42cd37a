import { resources } from "@lenj/client";
import type { coordinationv1, corev1 } from "@lenj/proto/k8s";
import { startTestCluster, type TestCluster } from "../../testing/test-cluster.js";
import { createNodeLifecycleController } from "./controller.js";

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `n${at}`);

function nodeOf(name: string, zone: string): corev1.Node {
  const conditions = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"].map((type) => ({
    type,
    status: type === "Ready" ? ("True" as const) : ("False" as const),
    lastHeartbeatTime: "2026-01-01T00:00:00Z",
  }));
  return { apiVersion: "v1", kind: "Node", metadata: { name, labels: { "topology.kubernetes.io/zone": zone } }, status: { conditions } };
}

const lease = (name: string): coordinationv1.Lease => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name, namespace: "kube-node-lease" },
  spec: { renewTime: "2026-01-01T00:00:00.000000Z" },
});

async function start(zones: Record<string, string>): Promise<TestCluster> {
  return startTestCluster({
    controllers: [createNodeLifecycleController],
    seed: async (client) => {
      for (const [name, zone] of Object.entries(zones)) {
        await client.seed(resources.nodes, nodeOf(name, zone));
        await client.seed(resources.leases, lease(name));
      }
    },
  });
}

/** Lets time go by while the kubelets of `alive` renew their leases. */
async function live(cluster: TestCluster, alive: readonly string[], seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 5) {
    const renewTime = new Date(cluster.clock.wallMs()).toISOString().replace("Z", "000Z");
    for (const name of alive)
      await cluster.client.patch(
        resources.leases,
        { namespace: "kube-node-lease", name },
        { type: "merge", body: { spec: { renewTime } } },
      );
    await cluster.pass(5_000);
  }
}

const evicting = ({ client }: TestCluster): string[] =>
  client
    .objects<corev1.Node>(resources.nodes)
    .filter(({ spec }) => (spec?.taints ?? []).some(({ effect }) => effect === "NoExecute"))
    .map(({ metadata }) => metadata?.name ?? "");
const unready = ({ client }: TestCluster): string[] =>
  client
    .objects<corev1.Node>(resources.nodes)
    .filter(({ status }) => status?.conditions?.some(({ type, status: value }) => type === "Ready" && value !== "True"))
    .map(({ metadata }) => metadata?.name ?? "");

describe("node lifecycle controller", () => {
  it("empties nodes that fell silent, one each ten seconds", async () => {
    const all = names(6);
    const cluster = await start(Object.fromEntries(all.map((name) => [name, "a"])));
    const alive = all.slice(2);
    await live(cluster, alive, 45);
    expect([unready(cluster), evicting(cluster)]).toEqual([[], []]);
    await live(cluster, alive, 15);
    expect([unready(cluster), evicting(cluster).length]).toEqual([["n0", "n1"], 1]);
    await live(cluster, alive, 15);
    expect(evicting(cluster)).toEqual(["n0", "n1"]);
    await cluster.close();
  });

  it("marks the pods of a silent node as not ready", async () => {
    const cluster = await start({ n0: "a", n1: "a" });
    await cluster.client.seed(resources.pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "shop", name: "p" },
      spec: { nodeName: "n0", containers: [] },
      status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
    } as corev1.Pod);
    await live(cluster, ["n1"], 70);
    expect(cluster.client.objects<corev1.Pod>(resources.pods)[0]?.status?.conditions).toMatchObject([{ type: "Ready", status: "False" }]);
    await cluster.close();
  });

  it("stops emptying a small zone of which most is down", async () => {
    const all = names(5);
    const cluster = await start({ ...Object.fromEntries(all.map((name) => [name, "a"])), other: "b" });
    await live(cluster, ["n4", "other"], 120);
    expect(unready(cluster)).toEqual(["n0", "n1", "n2", "n3"]);
    // The first went before it showed that it was most of them.
    expect(evicting(cluster).length).toBeLessThanOrEqual(1);
    await cluster.close();
  });

  it("empties nothing while all zones are down, and gives everybody time when they are back", async () => {
    const cluster = await start({ n0: "a", n1: "b" });
    await live(cluster, ["n1"], 75);
    expect(evicting(cluster)).toEqual(["n0"]);
    await live(cluster, [], 75);
    expect([unready(cluster), evicting(cluster)]).toEqual([["n0", "n1"], []]);
    await cluster.close();
  });
});
