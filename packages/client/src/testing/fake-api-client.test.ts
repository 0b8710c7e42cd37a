import type { corev1 } from "@lenj/proto/k8s";
import { isAlreadyExists, isConflict, isNotFound } from "../errors.js";
import { resources } from "../resources.js";
import { FakeApiClient } from "./fake-api-client.js";
import { matchesLabelSelector } from "./selectors.js";
import { settle } from "./settle.js";

const pod = (name: string, over: Partial<corev1.Pod> = {}): corev1.Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  ...over,
  metadata: { name, namespace: "default", ...over.metadata },
});
const key = { namespace: "default", name: "a" };

describe("FakeApiClient", () => {
  it("refuses a second object of one name, and names that do not exist", async () => {
    const client = new FakeApiClient();
    await client.create(resources.pods, pod("a"));
    expect(await client.create(resources.pods, pod("a")).catch(isAlreadyExists)).toBe(true);
    expect(await client.get(resources.pods, { namespace: "default", name: "b" }).catch(isNotFound)).toBe(true);
  });

  it("refuses an update from an old resource version", async () => {
    const client = new FakeApiClient();
    const old = await client.create(resources.pods, pod("a"));
    await client.patch(resources.pods, key, { type: "merge", body: { metadata: { labels: { x: "1" } } } });
    expect(await client.update(resources.pods, { ...old, metadata: { ...old.metadata, labels: { y: "1" } } }).catch(isConflict)).toBe(true);
  });

  it("bumps the generation for spec changes only, and keeps status apart from the rest", async () => {
    const client = new FakeApiClient();
    const made = await client.create(resources.pods, pod("a", { spec: { containers: [] } }));
    const afterStatus = await client.update(resources.pods, { ...made, status: { phase: "Running" } }, { subresource: "status" });
    expect(afterStatus).toMatchObject({ status: { phase: "Running" }, metadata: { generation: 1 } });
    const afterSpec = await client.update(resources.pods, {
      ...afterStatus,
      spec: { containers: [], nodeName: "n" },
      status: { phase: "Failed" },
    });
    expect(afterSpec).toMatchObject({ status: { phase: "Running" }, metadata: { generation: 2 } });
  });

  it("keeps a running pod visible until its deletion is confirmed with no grace", async () => {
    const client = new FakeApiClient();
    await client.seed(resources.pods, pod("a", { spec: { containers: [], nodeName: "n", terminationGracePeriodSeconds: 5 } }));
    await client.delete(resources.pods, key);
    expect(client.objects(resources.pods)).toMatchObject([
      { metadata: { deletionGracePeriodSeconds: 5, deletionTimestamp: "2026-01-01T00:00:05Z" } },
    ]);
    await client.delete(resources.pods, key, { gracePeriodSeconds: 0 });
    expect(client.objects(resources.pods)).toEqual([]);
  });

  it("deletes an object when its last finalizer goes", async () => {
    const client = new FakeApiClient();
    await client.seed(resources.configMaps, { metadata: { name: "a", namespace: "default", finalizers: ["x/y"] } });
    await client.delete(resources.configMaps, key);
    expect(client.objects(resources.configMaps)).toHaveLength(1);
    await client.patch(resources.configMaps, key, { type: "merge", body: { metadata: { finalizers: null } } });
    expect(client.objects(resources.configMaps)).toEqual([]);
  });

  it("turns leaving a selector into DELETED and entering into ADDED", async () => {
    const client = new FakeApiClient();
    const seen: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const event of client.watch(resources.pods, { labelSelector: "app=web", signal: stop.signal })) seen.push(event.type);
    })().catch(() => undefined);
    await settle();
    await client.create(resources.pods, pod("a"));
    await client.patch(resources.pods, key, { type: "merge", body: { metadata: { labels: { app: "web" } } } });
    await client.patch(resources.pods, key, { type: "merge", body: { metadata: { labels: { app: "web", x: "1" } } } });
    await client.patch(resources.pods, key, { type: "merge", body: { metadata: { labels: { app: "db" } } } });
    await settle();
    expect(seen).toEqual(["ADDED", "MODIFIED", "DELETED"]);
    stop.abort();
    await watching;
  });
});

describe("matchesLabelSelector()", () => {
  it.each([
    ["a=1,b!=2", { a: "1" }, true],
    ["a in (1, 2)", { a: "2" }, true],
    ["a notin (1,2),c", { a: "3", c: "" }, true],
    ["!a", { a: "1" }, false],
    ["a==2", { a: "1" }, false],
  ])("%s on %j is %s", (selector, labels, expected) => {
    expect(matchesLabelSelector(selector, labels as unknown as Record<string, string>)).toBe(expected);
  });
});
