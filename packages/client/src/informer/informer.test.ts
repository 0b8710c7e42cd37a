import { SeededRandom, silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import type { corev1 } from "@lenj/proto/k8s";
import { unavailableError } from "../errors.js";
import { resources } from "../resources.js";
import { FakeApiClient } from "../testing/fake-api-client.js";
import { settle } from "../testing/settle.js";
import { InformerFactory } from "./informer-factory.js";

const configMap = (name: string, data: Record<string, string> = {}, namespace = "default"): corev1.ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace },
  data,
});

function setUp(options: { withoutWatchList?: boolean } = {}): {
  client: FakeApiClient;
  clock: ManualClock;
  factory: InformerFactory;
  log: string[];
  informer: ReturnType<typeof watchConfigMaps>;
} {
  const clock = new ManualClock();
  const client = new FakeApiClient({ clock, ...options });
  const factory = new InformerFactory({ client, clock, random: new SeededRandom(1), logger: silentLogger, freeze: true });
  const log: string[] = [];
  return { client, clock, factory, log, informer: watchConfigMaps(factory, log) };
}

function watchConfigMaps(factory: InformerFactory, log: string[]) {
  const informer = factory.informer<corev1.ConfigMap>(resources.configMaps);
  informer.addHandler({
    onAdd: (object, isInInitialList) => log.push(`add ${object.metadata?.name}${isInInitialList ? " (initial)" : ""}`),
    onUpdate: (_, object) => log.push(`update ${object.metadata?.name}`),
    onDelete: (object) => log.push(`delete ${object.metadata?.name}`),
  });
  return informer;
}

describe("Informer", () => {
  it.each([{ withoutWatchList: false }, { withoutWatchList: true }])(
    "holds the complete state before it says it has synced (%j)",
    async (options) => {
      const { client, factory, log, informer } = setUp(options);
      await client.seed(resources.configMaps, configMap("a"), configMap("b"));
      expect(informer.hasSynced).toBe(false);
      factory.start();
      await factory.waitForSync(new AbortController().signal);
      expect(informer.lister.list().map((object) => object.metadata?.name)).toEqual(["a", "b"]);
      expect(log).toEqual(["add a (initial)", "add b (initial)"]);
      await factory.close();
    },
  );

  it("tells handlers of adds, updates and deletes in order", async () => {
    const { client, factory, log } = setUp();
    factory.start();
    await factory.waitForSync(new AbortController().signal);
    const made = await client.create(resources.configMaps, configMap("a"));
    await client.update(resources.configMaps, { ...made, data: { x: "1" } });
    await client.delete(resources.configMaps, { namespace: "default", name: "a" });
    await settle();
    expect(log).toEqual(["add a", "update a", "delete a"]);
    await factory.close();
  });

  it("resumes from the last resource version after a broken watch, without a new list", async () => {
    const { client, clock, factory, log } = setUp();
    await client.seed(resources.configMaps, configMap("a"));
    factory.start();
    await factory.waitForSync(new AbortController().signal);
    client.breakWatches(unavailableError("connection reset"));
    await client.seed(resources.configMaps, configMap("b"));
    await settle();
    clock.advance(500);
    await settle();
    expect(log).toEqual(["add a (initial)", "add b"]);
    expect(client.calls.map((call) => call.verb)).toEqual(["watch", "watch"]);
    await factory.close();
  });

  it("replaces its state when its position is too old, and reports what vanished meanwhile", async () => {
    const { client, clock, factory, log, informer } = setUp();
    await client.seed(resources.configMaps, configMap("a"), configMap("b"));
    factory.start();
    await factory.waitForSync(new AbortController().signal);
    client.breakWatches(unavailableError("connection reset"));
    await client.delete(resources.configMaps, { namespace: "default", name: "a" });
    await client.seed(resources.configMaps, configMap("c"));
    client.compact();
    await settle();
    clock.advance(500);
    await settle();
    expect(informer.lister.list().map((object) => object.metadata?.name)).toEqual(["b", "c"]);
    expect(log.slice(2)).toEqual(["add c", "delete a"]);
    await factory.close();
  });

  it("reports an object that was deleted and made again unseen as a delete and an add", async () => {
    const { client, clock, factory, log } = setUp();
    await client.seed(resources.configMaps, configMap("a"));
    factory.start();
    await factory.waitForSync(new AbortController().signal);
    client.breakWatches(unavailableError("connection reset"));
    await client.delete(resources.configMaps, { namespace: "default", name: "a" });
    await client.seed(resources.configMaps, configMap("a", { again: "yes" }));
    client.compact();
    await settle();
    clock.advance(500);
    await settle();
    expect(log.slice(1)).toEqual(["delete a", "add a"]);
    await factory.close();
  });

  it("waits longer after every failure and starts over when the server is back", async () => {
    const { client, clock, factory, informer } = setUp();
    let attempts = 0;
    client.onCall = () => {
      attempts += 1;
      if (attempts <= 4) throw unavailableError("connection refused");
    };
    factory.start();
    const waits: number[] = [];
    for (let turn = 0; turn < 4; turn += 1) {
      await settle();
      const dueMs = clock.nextDueInMs() ?? 0;
      waits.push(dueMs);
      clock.advance(dueMs);
    }
    await settle();
    expect(informer.hasSynced).toBe(true);
    for (const [at, initialMs] of [200, 400, 800, 1600].entries()) {
      expect(waits[at]).toBeGreaterThanOrEqual(initialMs);
      expect(waits[at]).toBeLessThan(initialMs * 2);
    }
    await factory.close();
  });

  it("finds objects by index, also through updates", async () => {
    const { client, factory, informer } = setUp();
    informer.addIndex("owner", (object) => (object.data?.["owner"] === undefined ? [] : [object.data["owner"]]));
    await client.seed(resources.configMaps, configMap("a", { owner: "x" }), configMap("b", { owner: "x" }));
    factory.start();
    await factory.waitForSync(new AbortController().signal);
    await client.patch(resources.configMaps, { namespace: "default", name: "a" }, { type: "merge", body: { data: { owner: "y" } } });
    await settle();
    expect(informer.lister.byIndex("owner", "x").map((object) => object.metadata?.name)).toEqual(["b"]);
    expect(informer.lister.byIndex("owner", "y").map((object) => object.metadata?.name)).toEqual(["a"]);
    await factory.close();
  });

  it("does not let anyone write to a cached object when frozen", async () => {
    const { client, factory, informer } = setUp();
    await client.seed(resources.configMaps, configMap("a", { x: "1" }));
    factory.start();
    await factory.waitForSync(new AbortController().signal);
    const [cached] = informer.lister.list();
    expect(() => Object.assign(cached?.data ?? {}, { x: "2" })).toThrow(TypeError);
    await factory.close();
  });
});
