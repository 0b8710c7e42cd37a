import { resources } from "@lenj/client";
import type { FakeApiClient } from "@lenj/client/testing";
import type { appsv1, corev1 } from "@lenj/proto/k8s";
import { startTestCluster, type TestCluster } from "../../testing/test-cluster.js";
import { createReplicaSetController } from "../replicaset/controller.js";
import { createDeploymentController } from "./controller.js";

function deployment(over: Partial<appsv1.DeploymentSpec> = {}, image = "web:1"): appsv1.Deployment {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "shop" },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image }] } },
      progressDeadlineSeconds: 600,
      revisionHistoryLimit: 2,
      ...over,
    },
  };
}

/** Plays scheduler and kubelet: unfinished pods become ready, pods being deleted vanish. */
async function runPods(client: FakeApiClient, isHealthy: (pod: corev1.Pod) => boolean = () => true): Promise<void> {
  for (const pod of client.objects<corev1.Pod>(resources.pods)) {
    const key = { namespace: "shop", name: pod.metadata?.name ?? "" };
    if (pod.metadata?.deletionTimestamp !== undefined) await client.delete(resources.pods, key, { gracePeriodSeconds: 0 });
    else if (pod.status?.phase !== "Running") {
      const ready = isHealthy(pod) ? "True" : "False";
      const conditions = [{ type: "Ready", status: ready, lastTransitionTime: new Date(client.clock.wallMs()).toISOString() }];
      await client.patch(
        resources.pods,
        key,
        { type: "merge", body: { status: { phase: "Running", conditions } } },
        { subresource: "status" },
      );
    }
  }
}

const start = (seed?: (client: FakeApiClient) => Promise<void>): Promise<TestCluster> =>
  startTestCluster({ controllers: [createDeploymentController, createReplicaSetController], ...(seed !== undefined && { seed }) });
const key = { namespace: "shop", name: "web" };
const setImage = (image: string) =>
  ({ type: "merge", body: { spec: { template: { spec: { containers: [{ name: "web", image }] } } } } }) as const;
const get = ({ client }: TestCluster) => client.objects<appsv1.Deployment>(resources.deployments)[0] as appsv1.Deployment;
const sizes = ({ client }: TestCluster) =>
  client
    .objects<appsv1.ReplicaSet>(resources.replicaSets)
    .map((rs) => [
      rs.spec?.template?.spec?.containers[0]?.image,
      rs.spec?.replicas,
      rs.metadata?.annotations?.["deployment.kubernetes.io/revision"],
    ]);
const condition = (cluster: TestCluster, type: string) => get(cluster).status?.conditions?.find((entry) => entry.type === type);

async function rollOut(cluster: TestCluster): Promise<void> {
  for (let round = 0; round < 12; round += 1) {
    await cluster.pass(1000);
    await runPods(cluster.client);
  }
  await cluster.pass(1000);
}

describe("deployment controller", () => {
  it("brings up the wanted pods and says when they are available", async () => {
    const cluster = await start();
    await cluster.client.create(resources.deployments, deployment());
    await cluster.pass();
    expect(sizes(cluster)).toEqual([["web:1", 3, "1"]]);
    expect(condition(cluster, "Available")).toMatchObject({ status: "False", reason: "MinimumReplicasUnavailable" });
    await rollOut(cluster);
    expect(get(cluster).status).toMatchObject({
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      unavailableReplicas: 0,
    });
    expect(condition(cluster, "Available")).toMatchObject({ status: "True", message: "Deployment has minimum availability." });
    expect(condition(cluster, "Progressing")).toMatchObject({
      status: "True",
      reason: "NewReplicaSetAvailable",
      message: expect.stringMatching(/^ReplicaSet "web-[a-z0-9]+" has successfully progressed\.$/),
    });
    const events = cluster.client.objects<corev1.Event>(resources.events).map((event) => event.message);
    expect(events).toContainEqual(expect.stringMatching(/^Scaled up replica set web-[a-z0-9]+ from 0 to 3$/));
    await cluster.close();
  });

  it("rolls to a new template and back, reusing the old ReplicaSet under a new revision", async () => {
    const cluster = await start();
    await cluster.client.create(resources.deployments, deployment());
    await rollOut(cluster);
    await cluster.client.patch(resources.deployments, key, setImage("web:2"));
    await rollOut(cluster);
    expect(sizes(cluster)).toEqual(
      expect.arrayContaining([
        ["web:1", 0, "1"],
        ["web:2", 3, "2"],
      ]),
    );
    await cluster.client.patch(resources.deployments, key, setImage("web:1"));
    await rollOut(cluster);
    expect(sizes(cluster)).toEqual(
      expect.arrayContaining([
        ["web:1", 3, "3"],
        ["web:2", 0, "2"],
      ]),
    );
    expect(get(cluster).metadata?.annotations).toMatchObject({ "deployment.kubernetes.io/revision": "3" });
    await cluster.close();
  });

  it("stops a rollout whose new pods never get ready, keeping the old ones, and reports the deadline", async () => {
    const cluster = await start();
    await cluster.client.create(resources.deployments, deployment());
    await rollOut(cluster);
    await cluster.client.patch(resources.deployments, key, setImage("web:broken"));
    for (let round = 0; round < 8; round += 1) {
      await cluster.pass(1000);
      await runPods(cluster.client, (pod) => pod.spec?.containers[0]?.image !== "web:broken");
    }
    expect(sizes(cluster)).toEqual(
      expect.arrayContaining([
        ["web:1", 3, "1"],
        ["web:broken", 1, "2"],
      ]),
    );
    await cluster.pass(605_000);
    expect(condition(cluster, "Progressing")).toMatchObject({ status: "False", reason: "ProgressDeadlineExceeded" });
    await cluster.close();
  });

  it("deletes all old pods before it makes new ones when the strategy is Recreate", async () => {
    const cluster = await start();
    await cluster.client.create(resources.deployments, deployment({ strategy: { type: "Recreate" } }));
    await rollOut(cluster);
    for (const pod of cluster.client.objects<corev1.Pod>(resources.pods)) {
      await cluster.client.patch(
        resources.pods,
        { namespace: "shop", name: pod.metadata?.name ?? "" },
        { type: "merge", body: { spec: { nodeName: "node-1" } } },
      );
    }
    await cluster.client.patch(resources.deployments, key, setImage("web:2"));
    await cluster.pass();
    expect(sizes(cluster)).toEqual([["web:1", 0, "1"]]);
    await rollOut(cluster);
    expect(sizes(cluster)).toEqual(
      expect.arrayContaining([
        ["web:1", 0, "1"],
        ["web:2", 3, "2"],
      ]),
    );
    await cluster.close();
  });

  it("changes nothing but size while paused, and goes on when resumed", async () => {
    const cluster = await start();
    await cluster.client.create(resources.deployments, deployment());
    await rollOut(cluster);
    await cluster.client.patch(resources.deployments, key, { type: "merge", body: { spec: { paused: true } } });
    await cluster.client.patch(resources.deployments, key, setImage("web:2"));
    await cluster.client.patch(resources.deployments, key, { type: "merge", body: { spec: { replicas: 5 } } });
    await rollOut(cluster);
    expect(sizes(cluster)).toEqual([["web:1", 5, "1"]]);
    expect(condition(cluster, "Progressing")).toMatchObject({ status: "Unknown", reason: "DeploymentPaused" });
    await cluster.client.patch(resources.deployments, key, { type: "merge", body: { spec: { paused: null } } });
    await rollOut(cluster);
    expect(sizes(cluster)).toEqual(
      expect.arrayContaining([
        ["web:1", 0, "1"],
        ["web:2", 5, "2"],
      ]),
    );
    await cluster.close();
  });

  it("keeps no more old ReplicaSets than revisionHistoryLimit", async () => {
    const cluster = await start();
    await cluster.client.create(resources.deployments, deployment());
    for (const image of ["web:2", "web:3", "web:4"]) {
      await rollOut(cluster);
      await cluster.client.patch(resources.deployments, key, setImage(image));
    }
    await rollOut(cluster);
    expect(
      sizes(cluster)
        .map(([image]) => image)
        .sort(),
    ).toEqual(["web:2", "web:3", "web:4"]);
    await cluster.close();
  });

  it("adopts a ReplicaSet of the right template that nobody controls", async () => {
    const cluster = await start(async (client) => {
      await client.seed(resources.replicaSets, {
        apiVersion: "apps/v1",
        kind: "ReplicaSet",
        metadata: { name: "web-old", namespace: "shop", labels: { app: "web", "pod-template-hash": "x" } },
        spec: {
          replicas: 1,
          selector: { matchLabels: { app: "web", "pod-template-hash": "x" } },
          template: {
            metadata: { labels: { app: "web", "pod-template-hash": "x" } },
            spec: { containers: [{ name: "web", image: "web:1" }] },
          },
        },
      } as appsv1.ReplicaSet);
    });
    await cluster.client.create(resources.deployments, deployment());
    await rollOut(cluster);
    const sets = cluster.client.objects<appsv1.ReplicaSet>(resources.replicaSets);
    expect(sets).toMatchObject([
      { metadata: { name: "web-old", ownerReferences: [{ kind: "Deployment", name: "web", controller: true }] }, spec: { replicas: 3 } },
    ]);
    await cluster.close();
  });

  it("writes nothing once everything is as wanted", async () => {
    const cluster = await start();
    await cluster.client.create(resources.deployments, deployment());
    await rollOut(cluster);
    const writes = cluster.client.calls.length;
    await rollOut(cluster);
    expect(cluster.client.calls.slice(writes).filter((call) => call.resource !== "pods" && call.verb !== "watch")).toEqual([]);
    await cluster.close();
  });
});
