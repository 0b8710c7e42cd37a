import type { KubeObject } from "@lenj/client";
import type { CatalogEntry } from "../../core/resource-catalog.js";
import { FOREGROUND, ORPHAN, OwnerGraph, type OwnerState, planCollect } from "./graph.js";

const pods = { group: "", version: "v1", resource: "pods", kind: "Pod", namespaced: true } as unknown as CatalogEntry;
const object = (uid: string, owners: string[] = [], about: object = {}): KubeObject => ({
  metadata: {
    uid,
    name: uid,
    namespace: "ns",
    ownerReferences: owners.map((owner) => ({ apiVersion: "v1", kind: "Pod", name: owner, uid: owner })),
    ...about,
  },
});

describe("OwnerGraph", () => {
  it("follows owners as they change, and knows dependents of owners that it has not seen", () => {
    const graph = new OwnerGraph();
    graph.put(pods, object("a", ["x"]));
    graph.put(pods, object("b", ["x", "y"]));
    const dependents = (uid: string): string[] => graph.dependentsOf(uid).map((node) => node.uid);
    expect([dependents("x"), dependents("y"), dependents("z")]).toEqual([["a", "b"], ["b"], []]);
    graph.put(pods, object("b", ["y"], { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [FOREGROUND] }));
    expect([dependents("x"), graph.get("b")?.isDeleting, graph.get("b")?.finalizers]).toEqual([["a"], true, [FOREGROUND]]);
    expect(graph.remove("a")?.name).toBe("a");
    expect([dependents("x"), graph.get("a"), graph.remove("a")]).toEqual([[], undefined, undefined]);
  });
});

describe("planCollect()", () => {
  it.each<[Record<string, OwnerState>, boolean, string[], object]>([
    [{}, false, [], { verb: "keep" }],
    [{ a: "solid" }, false, [], { verb: "keep" }],
    [{ a: "solid", b: "solid" }, true, [], { verb: "keep" }],
    [{ a: "solid", b: "absent", c: "waiting" }, false, [], { verb: "dropOwners", uids: ["b", "c"] }],
    [{ a: "absent" }, false, [], { verb: "delete", policy: "Background" }],
    [{ a: "absent" }, false, [FOREGROUND], { verb: "delete", policy: "Foreground" }],
    [{ a: "absent" }, true, [ORPHAN], { verb: "delete", policy: "Orphan" }],
    [{ a: "waiting" }, true, [], { verb: "delete", policy: "Foreground" }],
    [{ a: "waiting" }, false, [], { verb: "delete", policy: "Background" }],
    [{ a: "waiting", b: "absent" }, true, [ORPHAN], { verb: "delete", policy: "Foreground" }],
  ])("of owners %j (dependents: %s, finalizers: %j) is %j", (states, hasDependents, finalizers, decision) => {
    expect(planCollect(new Map(Object.entries(states)), hasDependents, finalizers)).toMatchObject(decision);
  });
});
