import { type KubeObject, resources } from "@lenj/client";
import type { FakeApiClient } from "@lenj/client/testing";
import { startTestCluster, type TestCluster } from "../../testing/test-cluster.js";
import { createGarbageCollector } from "./controller.js";

interface Owned {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid?: string };
}

const deployment = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace: "shop" } } as KubeObject;

async function create(
  client: FakeApiClient,
  kind: "replicaSets" | "pods",
  name: string,
  owner: KubeObject,
  blockOwnerDeletion = true,
): Promise<KubeObject> {
  const { apiVersion = "", kind: ownerKind = "", metadata } = owner;
  const reference = {
    apiVersion,
    kind: ownerKind,
    name: metadata?.name ?? "",
    uid: metadata?.uid ?? "",
    controller: true,
    blockOwnerDeletion,
  };
  const object: Owned & { metadata: object } = {
    apiVersion: kind === "pods" ? "v1" : "apps/v1",
    kind: kind === "pods" ? "Pod" : "ReplicaSet",
    metadata: { name, namespace: "shop", ownerReferences: [reference] } as Owned["metadata"],
  };
  return client.create(resources[kind], object as KubeObject);
}

async function chain(): Promise<TestCluster> {
  const cluster = await startTestCluster({ controllers: [createGarbageCollector] });
  const top = await cluster.client.create(resources.deployments, deployment);
  const middle = await create(cluster.client, "replicaSets", "web-1", top);
  await create(cluster.client, "pods", "web-1-a", middle);
  await cluster.pass(1_000);
  return cluster;
}

const key = { namespace: "shop", name: "web" };
const left = ({ client }: TestCluster): number[] =>
  [resources.deployments, resources.replicaSets, resources.pods].map((gvr) => client.objects(gvr).length);

describe("garbage collector", () => {
  it("lets be what has an owner", async () => {
    const cluster = await chain();
    await cluster.pass(10_000);
    expect(left(cluster)).toEqual([1, 1, 1]);
    await cluster.close();
  });

  it("deletes dependents after their owner in the background", async () => {
    const cluster = await chain();
    await cluster.client.delete(resources.deployments, key, { propagationPolicy: "Background" });
    expect(left(cluster)).toEqual([0, 1, 1]);
    await cluster.pass(10_000);
    expect(left(cluster)).toEqual([0, 0, 0]);
    await cluster.close();
  });

  it("deletes the owner after its dependents in the foreground", async () => {
    const cluster = await chain();
    await cluster.client.delete(resources.deployments, key, { propagationPolicy: "Foreground" });
    expect(left(cluster)).toEqual([1, 1, 1]);
    await cluster.pass(10_000);
    expect(left(cluster)).toEqual([0, 0, 0]);
    const order = cluster.client.calls.filter(({ verb }) => verb === "delete").map(({ resource }) => resource);
    expect(order.indexOf("pods")).toBeGreaterThan(order.indexOf("replicasets"));
    await cluster.close();
  });

  it("leaves orphans without their owner", async () => {
    const cluster = await chain();
    await cluster.client.delete(resources.deployments, key, { propagationPolicy: "Orphan" });
    await cluster.pass(10_000);
    expect(left(cluster)).toEqual([0, 1, 1]);
    expect(cluster.client.objects(resources.replicaSets)[0]?.metadata?.ownerReferences ?? []).toEqual([]);
    await cluster.close();
  });

  it("takes a new object of the owner's name for another", async () => {
    const cluster = await chain();
    await cluster.client.delete(resources.deployments, key, { propagationPolicy: "Background" });
    await cluster.client.create(resources.deployments, deployment);
    await cluster.pass(10_000);
    expect(left(cluster)).toEqual([1, 0, 0]);
    await cluster.close();
  });
});
