// What clients are promised over REST, clause by clause, on the built-in kinds.
import { builtinResources } from "@lenj/api";
import { TestFront, type TestWatch } from "../testing/test-front.js";
import { startTestMachine, type TestMachine } from "../testing/test-machine.js";

const configMaps = "/api/v1/namespaces/default/configmaps";
const deployments = "/apis/apps/v1/namespaces/default/deployments";
const pods = "/api/v1/namespaces/default/pods";
const protobuf = "application/vnd.kubernetes.protobuf";

const configMap = (name: string, about: object = {}): object => ({ metadata: { name, ...about }, data: { a: "1" } });
const deployment = (name: string, replicas = 1): object => ({
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: "i" }] } },
  },
});
const pod = (name: string, nodeName?: string): object => ({
  metadata: { name, labels: { app: "web" } },
  spec: { containers: [{ name: "c", image: "i" }], ...(nodeName !== undefined && { nodeName }) },
});

interface Answered {
  readonly kind: string;
  readonly metadata: Record<string, unknown> & { readonly name: string; readonly uid: string };
  readonly spec: Record<string, unknown>;
  readonly status: Record<string, unknown>;
  readonly data: Record<string, string>;
  readonly items: Answered[];
}

let test: TestMachine;
let front: TestFront;
beforeEach(async () => {
  test = await startTestMachine({ declarations: builtinResources });
  front = new TestFront(test);
});
afterEach(() => test.close());

const create = async (path: string, body: object): Promise<Answered> => {
  const { code, document } = await front.request("POST", path, { body });
  expect([code, (document as { message?: string }).message]).toEqual([201, undefined]);
  await test.caughtUp();
  return document;
};
const names = async (url: string): Promise<string[]> => {
  await test.caughtUp();
  return ((await front.request("GET", url)).document as Answered).items.map(({ metadata }) => metadata.name);
};
const seen = async (watch: TestWatch, count: number): Promise<TestWatch["events"]> => {
  while (watch.events.length < count) await new Promise<void>((resolve) => setImmediate(resolve));
  return watch.events;
};
const message = (document: unknown): string => (document as { message: string }).message;

describe("bodies and answers", () => {
  it("come as JSON, YAML and protobuf, and say the same", async () => {
    await create(configMaps, configMap("json"));
    const yaml = "metadata:\n  name: yaml\ndata:\n  a: '1'\n";
    expect((await front.request("POST", configMaps, { headers: { "content-type": "application/yaml" }, body: yaml })).code).toBe(201);
    const fetched = await front.request("GET", `${configMaps}/json`, { headers: { accept: protobuf } });
    expect([fetched.headers["content-type"], fetched.bytes.subarray(0, 4).toString("latin1")]).toEqual([protobuf, "k8s\0"]);
    await front.request("DELETE", `${configMaps}/json`);
    const kind = { group: "", version: "v1", kind: "ConfigMap" };
    const fresh = Buffer.from(test.machine.codec.encodeProtobuf(configMap("binary"), kind));
    expect((await front.request("POST", configMaps, { headers: { "content-type": protobuf }, body: fresh })).code).toBe(201);
    const read = async (name: string): Promise<unknown> =>
      ((await front.request("GET", `${configMaps}/${name}`)).document as Answered).data;
    expect([await read("yaml"), await read("binary")]).toEqual([{ a: "1" }, { a: "1" }]);
    const asYAML = await front.request("GET", `${configMaps}/yaml`, { headers: { accept: "application/yaml" } });
    expect([asYAML.headers["content-type"], asYAML.bytes.toString("utf8")]).toEqual([
      "application/yaml",
      expect.stringContaining("name: yaml"),
    ]);
  });

  it("refuse other encodings by name", async () => {
    const body = await front.request("POST", configMaps, { headers: { "content-type": "text/plain" }, body: "x" });
    expect([body.code, message(body.document)]).toEqual([
      415,
      "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    ]);
    const answer = await front.request("GET", configMaps, { headers: { accept: "text/html" } });
    expect([answer.code, (answer.document as { reason: string }).reason]).toEqual([406, "NotAcceptable"]);
  });
});

describe("discovery", () => {
  it("in the old form lists versions, groups and resources with their subresources", async () => {
    expect((await front.request("GET", "/api")).document).toMatchObject({ kind: "APIVersions", versions: ["v1"] });
    const groups = (await front.request("GET", "/apis")).document as { groups: { name: string; preferredVersion: object }[] };
    expect(groups.groups.find(({ name }) => name === "apps")?.preferredVersion).toEqual({ groupVersion: "apps/v1", version: "v1" });
    expect((await front.request("GET", "/apis/apps")).document).toMatchObject({ kind: "APIGroup", name: "apps" });
    const { resources } = (await front.request("GET", "/api/v1")).document as { resources: Record<string, unknown>[] };
    expect(resources.find(({ name }) => name === "pods")).toMatchObject({
      kind: "Pod",
      singularName: "pod",
      shortNames: ["po"],
      namespaced: true,
    });
    expect(resources.find(({ name }) => name === "pods/eviction")).toMatchObject({ group: "policy", version: "v1", kind: "Eviction" });
  });

  it("in the new form tells scale and status of every kind in one document", async () => {
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    const { document } = await front.request("GET", "/apis", { headers: { accept } });
    const { items } = document as {
      items: { metadata: { name: string }; versions: { resources: { resource: string; subresources: unknown[] }[] }[] }[];
    };
    const apps = items.find(({ metadata }) => metadata.name === "apps");
    expect(apps?.versions[0]?.resources.find(({ resource }) => resource === "deployments")?.subresources).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ subresource: "scale", responseKind: { group: "autoscaling", version: "v1", kind: "Scale" } }),
        expect.objectContaining({ subresource: "status" }),
      ]),
    );
  });
});

describe("lists", () => {
  it("come in pages", async () => {
    for (const name of ["a", "b", "c"]) await create(configMaps, configMap(name));
    const first = (await front.request("GET", `${configMaps}?limit=2`)).document as Answered;
    const next = encodeURIComponent(String(first.metadata["continue"]));
    const second = (await front.request("GET", `${configMaps}?limit=2&continue=${next}`)).document as Answered;
    expect([first, second].map(({ items }) => items.map(({ metadata }) => metadata.name))).toEqual([["a", "b"], ["c"]]);
    expect([first.metadata["remainingItemCount"], second.metadata["continue"], second.metadata["resourceVersion"]]).toEqual([
      1,
      undefined,
      first.metadata["resourceVersion"],
    ]);
  });

  it("are narrowed by labels and by the fields that the kind has", async () => {
    await create(configMaps, configMap("a", { labels: { tier: "x" } }));
    await create(configMaps, configMap("b"));
    await create(pods, pod("placed", "n1"));
    await create(pods, pod("waiting"));
    expect(await names(`${configMaps}?labelSelector=tier%3Dx`)).toEqual(["a"]);
    expect(await names(`${configMaps}?labelSelector=%21tier`)).toEqual(["b"]);
    expect(await names(`${configMaps}?fieldSelector=metadata.name%3Db`)).toEqual(["b"]);
    expect(await names("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1")).toEqual(["placed"]);
    expect(await names(`${pods}?fieldSelector=spec.nodeName%3D`)).toEqual(["waiting"]);
    const unknown = await front.request("GET", `${pods}?fieldSelector=spec.nope%3Dx`);
    expect([unknown.code, message(unknown.document)]).toEqual([400, "field label not supported: spec.nope"]);
  });

  it("are tables for those that want to print them", async () => {
    await create(deployments, deployment("web"));
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const { document } = await front.request("GET", deployments, { headers: { accept } });
    const { kind, columnDefinitions, rows } = document as {
      kind: string;
      columnDefinitions: { name: string }[];
      rows: { cells: unknown[]; object: { kind: string } }[];
    };
    expect([kind, columnDefinitions.map(({ name }) => name).slice(0, 5)]).toEqual([
      "Table",
      ["Name", "Ready", "Up-to-date", "Available", "Age"],
    ]);
    expect([rows[0]?.cells.slice(0, 4), rows[0]?.object.kind]).toEqual([["web", "0/1", 0, 0], "PartialObjectMetadata"]);
  });
});

describe("watches", () => {
  it("begin with what is there and a bookmark that says so (WatchList)", async () => {
    await create(configMaps, configMap("a"));
    const watch = front.watch(`${configMaps}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`);
    const [added, bookmark] = await seen(watch, 2);
    expect([added?.type, added?.object.metadata?.["name"]]).toEqual(["ADDED", "a"]);
    expect([bookmark?.type, bookmark?.object.metadata?.["annotations"]]).toEqual(["BOOKMARK", { "k8s.io/initial-events-end": "true" }]);
    await create(configMaps, configMap("b"));
    await front.request("PATCH", `${configMaps}/b`, {
      headers: { "content-type": "application/merge-patch+json" },
      body: '{"data":{"a":"2"}}',
    });
    await front.request("DELETE", `${configMaps}/b`);
    expect((await seen(watch, 5)).slice(2).map(({ type }) => type)).toEqual(["ADDED", "MODIFIED", "DELETED"]);
    await watch.stop();
  });

  it("go on from a version, narrowed by selectors", async () => {
    const first = await create(configMaps, configMap("a", { labels: { tier: "x" } }));
    const watch = front.watch(`${configMaps}?watch=1&resourceVersion=${String(first.metadata["resourceVersion"])}&labelSelector=tier%3Dx`);
    await create(configMaps, configMap("b"));
    await create(configMaps, configMap("c", { labels: { tier: "x" } }));
    expect((await seen(watch, 1)).map(({ object }) => object.metadata?.["name"])).toEqual(["c"]);
    await watch.stop();
  });
});

describe("patches", () => {
  it.each([
    ["application/json-patch+json", '[{"op":"replace","path":"/data/a","value":"2"}]', { a: "2" }],
    ["application/merge-patch+json", '{"data":{"a":null,"b":"3"}}', { b: "3" }],
    ["application/strategic-merge-patch+json", '{"data":{"b":"3"}}', { a: "1", b: "3" }],
  ])("of type %s change what they say", async (type, body, data) => {
    await create(configMaps, configMap("a"));
    const { code, document } = await front.request("PATCH", `${configMaps}/a`, { headers: { "content-type": type }, body });
    expect([code, (document as Answered).data]).toEqual([200, data]);
  });

  it("of strategic kind merge lists by key", async () => {
    await create(deployments, deployment("web"));
    const body = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s"},{"name":"c","image":"new"}]}}}}';
    const { document } = await front.request("PATCH", `${deployments}/web`, {
      headers: { "content-type": "application/strategic-merge-patch+json" },
      body,
    });
    const { template } = (document as Answered).spec as { template: { spec: { containers: { name: string; image: string }[] } } };
    expect(template.spec.containers.map(({ name, image }) => `${name}=${image}`).sort()).toEqual(["c=new", "side=s"]);
  });

  it("of another type are refused", async () => {
    await create(configMaps, configMap("a"));
    expect((await front.request("PATCH", `${configMaps}/a`, { headers: { "content-type": "application/json" }, body: "{}" })).code).toBe(
      415,
    );
  });
});

describe("deletion", () => {
  it("at once answers with the uid of what is gone", async () => {
    const { metadata } = await create(configMaps, configMap("a"));
    const { code, document } = await front.request("DELETE", `${configMaps}/a`);
    expect([code, document]).toEqual([
      200,
      { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details: { name: "a", kind: "configmaps", uid: metadata.uid } },
    ]);
  });

  it("of a running pod waits for its node, at most for the grace", async () => {
    await create(pods, pod("p", "n1"));
    const waiting = await front.request("DELETE", `${pods}/p?gracePeriodSeconds=5`);
    expect((waiting.document as Answered).metadata).toMatchObject({ deletionGracePeriodSeconds: 5, deletionTimestamp: expect.any(String) });
    expect(await names(pods)).toEqual(["p"]);
    await front.request("DELETE", `${pods}/p`, { body: { gracePeriodSeconds: 0 } });
    expect(await names(pods)).toEqual([]);
  });

  it("waits for finalizers, and for dependents when asked to", async () => {
    await create(configMaps, configMap("held", { finalizers: ["example.com/hold"] }));
    await front.request("DELETE", `${configMaps}/held`);
    expect(await names(configMaps)).toEqual(["held"]);
    await front.request("PATCH", `${configMaps}/held`, {
      headers: { "content-type": "application/merge-patch+json" },
      body: '{"metadata":{"finalizers":null}}',
    });
    expect(await names(configMaps)).toEqual([]);
    await create(deployments, deployment("web"));
    const finalizersAfter = async (propagationPolicy: string): Promise<unknown> =>
      ((await front.request("DELETE", `${deployments}/web`, { body: { propagationPolicy } })).document as Answered).metadata["finalizers"];
    expect(await finalizersAfter("Foreground")).toEqual(["foregroundDeletion"]);
    const wrong = await front.request("DELETE", `${deployments}/web`, { body: { propagationPolicy: "Sometimes" } });
    expect([wrong.code, message(wrong.document)]).toEqual([422, expect.stringContaining("propagationPolicy")]);
  });

  it("keeps to its preconditions", async () => {
    await create(configMaps, configMap("a"));
    const { code, document } = await front.request("DELETE", `${configMaps}/a`, { body: { preconditions: { uid: "other" } } });
    expect([code, message(document)]).toEqual([
      409,
      expect.stringMatching(
        /^Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition \(other\) does not match the UID in record \(.+\)/,
      ),
    ]);
  });

  it("of a collection takes what the selector finds", async () => {
    await create(configMaps, configMap("a", { labels: { tier: "x" } }));
    await create(configMaps, configMap("b"));
    expect((await front.request("DELETE", `${configMaps}?labelSelector=tier%3Dx`)).code).toBe(200);
    expect(await names(configMaps)).toEqual(["b"]);
  });
});

describe("subresources", () => {
  it("status changes status only, the object everything else", async () => {
    const made = await create(deployments, deployment("web"));
    const put = { ...made, spec: { ...made.spec, replicas: 9 }, status: { replicas: 4 } };
    const written = (await front.request("PUT", `${deployments}/web/status`, { body: put })).document as Answered;
    expect([written.spec["replicas"], written.status["replicas"], written.metadata["generation"]]).toEqual([1, 4, 1]);
    const whole = (await front.request("PUT", `${deployments}/web`, { body: { ...put, metadata: written.metadata, status: {} } }))
      .document as Answered;
    expect([whole.spec["replicas"], whole.status["replicas"], whole.metadata["generation"]]).toEqual([9, 4, 2]);
  });

  it("scale is read, written and patched", async () => {
    await create(deployments, deployment("web", 3));
    const scale = (await front.request("GET", `${deployments}/web/scale`)).document as Answered;
    expect([scale.kind, scale.spec, scale.status]).toEqual(["Scale", { replicas: 3 }, { replicas: 0, selector: "app=web" }]);
    const put = await front.request("PUT", `${deployments}/web/scale`, { body: { ...scale, spec: { replicas: 5 } } });
    expect([put.code, (put.document as Answered).spec]).toEqual([200, { replicas: 5 }]);
    await front.request("PATCH", `${deployments}/web/scale`, {
      headers: { "content-type": "application/merge-patch+json" },
      body: '{"spec":{"replicas":7}}',
    });
    expect(((await front.request("GET", `${deployments}/web`)).document as Answered).spec["replicas"]).toBe(7);
  });
});

describe("writes", () => {
  it("mind unknown and double fields as strictly as asked", async () => {
    const body = '{"metadata":{"name":"x"},"datas":{},"data":{"a":"1"},"data":{"a":"2"}}';
    const post = (validation: string): ReturnType<TestFront["request"]> =>
      front.request("POST", `${configMaps}?fieldValidation=${validation}`, { headers: { "content-type": "application/json" }, body });
    const strict = await post("Strict");
    expect([strict.code, message(strict.document)]).toEqual([
      400,
      expect.stringContaining('strict decoding error: unknown field "datas", duplicate field "data"'),
    ]);
    const warned = await post("Warn");
    expect([warned.code, warned.headers["warning"]]).toEqual([
      201,
      '299 - "unknown field \\"datas\\"", 299 - "duplicate field \\"data\\""',
    ]);
    await front.request("DELETE", `${configMaps}/x`);
    const ignored = await post("Ignore");
    expect([ignored.code, ignored.headers["warning"]]).toEqual([201, undefined]);
  });

  it("in a dry run answer as if, and store nothing", async () => {
    await create(configMaps, configMap("kept"));
    const made = await front.request("POST", `${configMaps}?dryRun=All`, { body: configMap("dry") });
    expect([made.code, (made.document as Answered).metadata.uid]).toEqual([201, expect.any(String)]);
    const changed = await front.request("PUT", `${configMaps}/kept?dryRun=All`, { body: { ...configMap("kept"), data: { a: "2" } } });
    expect((changed.document as Answered).data).toEqual({ a: "2" });
    expect((await front.request("DELETE", `${configMaps}/kept?dryRun=All`)).code).toBe(200);
    expect(await names(configMaps)).toEqual(["kept"]);
    expect(((await front.request("GET", `${configMaps}/kept`)).document as Answered).data).toEqual({ a: "1" });
  });

  it("give names to those that ask for one", async () => {
    const { metadata } = await create(configMaps, { metadata: { generateName: "web-" } });
    expect(metadata.name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it("are refused to those who may not, whatever the way", async () => {
    const strict = new TestFront(test, { authorize: () => ({ decision: "noOpinion", reason: "" }) });
    const refused = await strict.request("POST", configMaps, { body: configMap("a") });
    expect([refused.code, message(refused.document)]).toEqual([
      403,
      'configmaps is forbidden: User "tester" cannot create resource "configmaps" in API group "" in the namespace "default"',
    ]);
    const listed = await strict.request("GET", `${configMaps}?fieldSelector=metadata.name%3Da`);
    expect(message(listed.document)).toBe(
      'configmaps "a" is forbidden: User "tester" cannot list resource "configmaps" in API group "" in the namespace "default"',
    );
  });
});
