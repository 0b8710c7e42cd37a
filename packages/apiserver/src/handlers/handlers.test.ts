import { isStatusError, type KubernetesObject, type StatusReason } from "@lenj/apimachinery";
import { emptyListOptions, type ListOptions } from "../core/list-options.js";
import { startTestMachine, type TestMachine } from "../testing/index.js";
import { createObject } from "./create.js";
import { deleteCollection, deleteObject } from "./delete.js";
import { getObject } from "./get.js";
import { listObjects } from "./list.js";
import { patchObject } from "./patch.js";
import { replaceObject } from "./update.js";
import { watchObjects } from "./watch.js";

const options = { dryRun: false, fieldManager: "test", fieldValidation: "Strict" } as const;

type ConfigMap = KubernetesObject & { data?: Record<string, string> };

let test: TestMachine;
beforeEach(async () => {
  test = await startTestMachine();
});
afterEach(() => test.close());

async function create(name: string, extra: Partial<ConfigMap> = {}): Promise<ConfigMap> {
  const state = await createObject(
    test.machine,
    test.call("configmaps"),
    { ...extra, metadata: { name, ...extra.metadata } } as ConfigMap,
    options,
  );
  await test.caughtUp();
  return state.object;
}

async function list(about: Partial<ListOptions>): Promise<{ names: string[]; continue: string; remaining: number | undefined }> {
  const result = await listObjects(test.machine, test.call("configmaps"), { ...emptyListOptions, ...about });
  return { names: result.states.map(({ name }) => name), continue: result.continue, remaining: result.remainingItemCount };
}

async function refusal(run: () => Promise<unknown>): Promise<{ reason: StatusReason; message: string }> {
  try {
    await run();
  } catch (error) {
    if (isStatusError(error)) return { reason: error.code, message: error.message };
    throw error;
  }
  throw new Error("was not refused");
}

describe("createObject()", () => {
  it("gives identity, time and resourceVersion", async () => {
    const { metadata } = await create("a");
    expect(metadata).toMatchObject({ name: "a", namespace: "default", resourceVersion: "2", creationTimestamp: "2026-01-01T00:00:00Z" });
    expect(metadata?.uid).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("refuses a name that is taken and a resourceVersion", async () => {
    await create("a");
    expect(await refusal(() => create("a"))).toEqual({ reason: "AlreadyExists", message: 'configmaps "a" already exists' });
    expect(await refusal(() => create("b", { metadata: { resourceVersion: "7" } }))).toEqual({
      reason: "",
      message: "resourceVersion should not be set on objects to be created",
    });
  });

  it("makes names from generateName", async () => {
    const state = await createObject(test.machine, test.call("configmaps"), { metadata: { generateName: "a-" } }, options);
    expect(state.name).toMatch(/^a-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it("stores nothing in a dry run", async () => {
    await createObject(test.machine, test.call("configmaps"), { metadata: { name: "a" } }, { ...options, dryRun: true });
    expect(test.storage.revision).toBe(1);
  });
});

describe("replaceObject()", () => {
  it("refuses a stale resourceVersion and takes an absent one as the present", async () => {
    const first = await create("a");
    const call = test.call("configmaps", { name: "a" });
    await replaceObject(test.machine, call, { metadata: { name: "a" }, data: { x: "1" } } as ConfigMap, options);
    const stale = await refusal(() => replaceObject(test.machine, call, { ...first, data: { x: "2" } } as ConfigMap, options));
    expect(stale).toEqual({
      reason: "Conflict",
      message:
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    });
  });

  it("O3 does not write what changes nothing", async () => {
    const object = await create("a", { data: { x: "1" } });
    const { state } = await replaceObject(test.machine, test.call("configmaps", { name: "a" }), object, options);
    expect([state.revision, test.storage.revision]).toEqual([2, 2]);
  });

  it("O2 decides again on the stored state when the cache is behind", async () => {
    const first = await create("a");
    const call = test.call("configmaps", { name: "a" });
    // The cache has not seen this write yet when the next one starts.
    const { state } = await replaceObject(test.machine, call, { ...first, data: { x: "1" } } as ConfigMap, options);
    const { state: next } = await replaceObject(test.machine, call, { ...state.object, data: { x: "2" } } as ConfigMap, options);
    expect((next.object as ConfigMap).data).toEqual({ x: "2" });
  });

  it("insists on a resourceVersion where the kind does, and creates where the kind may", async () => {
    const call = test.call("leases", { name: "l" });
    const { isNew } = await replaceObject(test.machine, call, { metadata: { name: "l" } }, options);
    await test.caughtUp();
    const missing = await refusal(() => replaceObject(test.machine, call, { metadata: { name: "l" } }, options));
    expect([isNew, missing.message]).toEqual([
      true,
      'Lease.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
    ]);
    expect(
      (await refusal(() => replaceObject(test.machine, test.call("configmaps", { name: "no" }), { metadata: { name: "no" } }, options)))
        .reason,
    ).toBe("NotFound");
  });

  it("loses no write among many writers", async () => {
    await create("a", { data: {} });
    const call = test.call("configmaps", { name: "a" });
    const writers = Array.from({ length: 20 }, (_, n) =>
      patchObject(test.machine, call, { type: "merge", patch: { data: { [`k${n}`]: "v" } }, text: "", force: false, options }),
    );
    await Promise.all(writers);
    expect(Object.keys(((await getObject(test.machine, call)).object as ConfigMap).data ?? {}).length).toBe(20);
  });
});

describe("patchObject()", () => {
  it("applies JSON, merge and strategic patches", async () => {
    await create("a", { data: { x: "1", y: "2" } });
    const call = test.call("configmaps", { name: "a" });
    const apply = async (type: "json" | "merge" | "strategic", patch: never): Promise<unknown> =>
      (
        (await patchObject(test.machine, call, { type, patch, text: JSON.stringify(patch), force: false, options })).state
          .object as ConfigMap
      ).data;
    expect(await apply("json", [{ op: "replace", path: "/data/x", value: "3" }] as never)).toEqual({ x: "3", y: "2" });
    expect(await apply("merge", { data: { y: null } } as never)).toEqual({ x: "3" });
    expect(await apply("strategic", { data: { z: "4" } } as never)).toEqual({ x: "3", z: "4" });
  });

  it("names unknown fields in the words of patches", async () => {
    await create("a");
    const call = test.call("configmaps", { name: "a" });
    const { message } = await refusal(() =>
      patchObject(test.machine, call, { type: "merge", patch: { foo: 1 }, text: '{"foo":1}', force: false, options }),
    );
    expect(message).toContain('strict decoding error: unknown field "foo"');
  });
});

describe("deleteObject()", () => {
  it("removes, and waits for finalizers where there are some", async () => {
    await create("a");
    await create("b", { metadata: { finalizers: ["example.com/x"] } });
    expect((await deleteObject(test.machine, test.call("configmaps", { name: "a" }), {})).isGone).toBe(true);
    const waiting = await deleteObject(test.machine, test.call("configmaps", { name: "b" }), {});
    expect([waiting.isGone, waiting.state.object.metadata?.deletionTimestamp]).toEqual([false, "2026-01-01T00:00:00Z"]);
    const { finalizers: _finalizers, ...metadata } = waiting.state.object.metadata ?? {};
    await replaceObject(test.machine, test.call("configmaps", { name: "b" }), { ...waiting.state.object, metadata }, options);
    expect((await refusal(() => getObject(test.machine, test.call("configmaps", { name: "b" })))).reason).toBe("NotFound");
  });

  it("deletes what a selector finds", async () => {
    await create("a", { metadata: { labels: { app: "x" } } });
    await create("b");
    await deleteCollection(test.machine, test.call("configmaps"), { ...emptyListOptions, labelSelector: "app=x" }, {});
    expect((await list({})).names).toEqual(["b"]);
  });
});

describe("listObjects()", () => {
  beforeEach(async () => {
    for (const name of ["a", "b", "c", "d", "e"]) await create(name, { metadata: { labels: { odd: String("ace".includes(name)) } } });
  });

  it("goes in pages that all show the same revision", async () => {
    const first = await list({ limit: 2 });
    expect([first.names, first.remaining]).toEqual([["a", "b"], 3]);
    await create("bb");
    const second = await list({ limit: 2, continue: first.continue });
    expect([second.names, second.remaining]).toEqual([["c", "d"], 1]);
    expect(await list({ limit: 2, continue: second.continue })).toEqual({ names: ["e"], continue: "", remaining: undefined });
  });

  it("fills pages of a selection from the store", async () => {
    const first = await list({ limit: 1, labelSelector: "odd=true" });
    const second = await list({ limit: 1, labelSelector: "odd=true", continue: first.continue });
    expect([first.names, second.names, second.remaining]).toEqual([["a"], ["c"], undefined]);
  });

  it("offers the rest of an expired list", async () => {
    const first = await list({ limit: 2 });
    await create("f");
    test.storage.compact(test.storage.revision - 1);
    let token = "";
    try {
      await list({ limit: 2, continue: first.continue });
    } catch (error) {
      if (isStatusError(error, "Expired")) token = error.status.metadata.continue ?? "";
    }
    expect((await list({ limit: 9, continue: token })).names).toEqual(["c", "d", "e", "f"]);
  });

  it("shows a revision of the past, and none that is to come", async () => {
    expect((await list({ resourceVersion: "3", resourceVersionMatch: "Exact" })).names).toEqual(["a", "b"]);
    expect((await list({ resourceVersion: "0" })).names).toHaveLength(5);
    expect((await refusal(() => list({ resourceVersion: "99", resourceVersionMatch: "Exact" }))).reason).toBe("Timeout");
    expect((await refusal(() => list({ resourceVersionMatch: "Exact" }))).message).toContain(
      "resourceVersionMatch is forbidden unless resourceVersion is provided",
    );
  });

  it("selects by fields and refuses unknown ones", async () => {
    expect((await list({ fieldSelector: "metadata.name=b" })).names).toEqual(["b"]);
    expect((await list({ fieldSelector: "metadata.name!=b,metadata.namespace=default" })).names).toEqual(["a", "c", "d", "e"]);
    expect((await refusal(() => list({ fieldSelector: "x=y" }))).reason).toBe("BadRequest");
  });
});

describe("watchObjects()", () => {
  it("streams the present, its end and the future", async () => {
    await create("a");
    const abort = new AbortController();
    const seen: string[] = [];
    const items = watchObjects(test.machine, test.call("configmaps", { signal: abort.signal }), {
      ...emptyListOptions,
      watch: true,
      sendInitialEvents: true,
      resourceVersionMatch: "NotOlderThan",
      allowWatchBookmarks: true,
    });
    for await (const item of items) {
      seen.push(item.type === "BOOKMARK" ? `${item.type} ${item.endsInitialEvents}` : `${item.type} ${item.state.name}`);
      if (seen.length === 2) await create("b");
      if (seen.length === 3) abort.abort();
    }
    expect(seen).toEqual(["ADDED a", "BOOKMARK true", "ADDED b"]);
  });

  it("ends at its timeout after a bookmark", async () => {
    const items = watchObjects(test.machine, test.call("configmaps"), {
      ...emptyListOptions,
      watch: true,
      resourceVersion: "1",
      allowWatchBookmarks: true,
      timeoutSeconds: 10,
    });
    const seen: string[] = [];
    const done = (async () => {
      for await (const item of items) seen.push(item.type);
    })();
    await new Promise<void>((resolve) => setImmediate(resolve));
    test.clock.advance(10_000);
    await done;
    expect(seen).toEqual(["BOOKMARK"]);
  });
});
