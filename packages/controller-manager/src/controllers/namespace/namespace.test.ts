import { resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import { startTestCluster, type TestCluster } from "../../testing/test-cluster.js";
import { createNamespaceController } from "./controller.js";

const ending: corev1.Namespace = {
  apiVersion: "v1",
  kind: "Namespace",
  // A finalizer of its own keeps it in sight after the controller let it go.
  metadata: { name: "shop", deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["example.com/keep"] },
  spec: { finalizers: ["kubernetes"] },
  status: { phase: "Active" },
};
const inShop = (kind: string, name: string, about: object = {}): object => ({
  apiVersion: "v1",
  kind,
  metadata: { name, namespace: "shop", ...about },
});

const start = (seed: Record<"pods" | "configMaps" | "secrets", object[]>, namespace = ending): Promise<TestCluster> =>
  startTestCluster({
    controllers: [createNamespaceController],
    seed: async (client) => {
      await client.seed(resources.namespaces, namespace);
      for (const name of ["pods", "configMaps", "secrets"] as const) await client.seed(resources[name], ...seed[name]);
    },
  });
const namespaceOf = ({ client }: TestCluster): corev1.Namespace =>
  client.objects<corev1.Namespace>(resources.namespaces)[0] as corev1.Namespace;
const condition = (cluster: TestCluster, type: string): object | undefined =>
  namespaceOf(cluster).status?.conditions?.find((known) => known.type === type);

describe("namespace controller", () => {
  it("empties a namespace and lets it go", async () => {
    const cluster = await start({ pods: [inShop("Pod", "p")], configMaps: [inShop("ConfigMap", "c")], secrets: [inShop("Secret", "s")] });
    await cluster.pass(10_000);
    const { client } = cluster;
    expect([client.objects(resources.pods), client.objects(resources.configMaps), client.objects(resources.secrets)]).toEqual([[], [], []]);
    expect(namespaceOf(cluster).spec?.finalizers).toEqual([]);
    await cluster.close();
  });

  it("keeps the rest until no pod is left, and says what it waits for", async () => {
    const stuck = inShop("Pod", "p", { finalizers: ["example.com/hold"] });
    const cluster = await start({ pods: [stuck], configMaps: [inShop("ConfigMap", "c")], secrets: [] });
    await cluster.pass(10_000);
    expect(cluster.client.objects(resources.configMaps)).toHaveLength(1);
    expect(namespaceOf(cluster)).toMatchObject({ status: { phase: "Terminating" }, spec: { finalizers: ["kubernetes"] } });
    expect(condition(cluster, "NamespaceContentRemaining")).toMatchObject({
      status: "True",
      reason: "SomeResourcesRemain",
      message: "Some resources are remaining: pods. has 1 resource instances",
    });
    expect(condition(cluster, "NamespaceFinalizersRemaining")).toMatchObject({
      status: "True",
      reason: "SomeFinalizersRemain",
      message: "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
    });
    await cluster.client.patch(
      resources.pods,
      { namespace: "shop", name: "p" },
      { type: "merge", body: { metadata: { finalizers: null } } },
    );
    await cluster.pass(10_000);
    expect([namespaceOf(cluster).spec?.finalizers, cluster.client.objects(resources.configMaps)]).toEqual([[], []]);
    await cluster.close();
  });

  it("lets an active namespace be", async () => {
    const active: corev1.Namespace = { ...ending, metadata: { name: "shop" } };
    const cluster = await start({ pods: [inShop("Pod", "p")], configMaps: [], secrets: [] }, active);
    await cluster.pass(10_000);
    expect(cluster.client.objects(resources.pods)).toHaveLength(1);
    await cluster.close();
  });
});
