import fc from "fast-check";
import type { JSONObject, JSONValue } from "../meta/json.js";
import { applyJSONPatch } from "./json-patch.js";
import { applyMergePatch } from "./merge-patch.js";
import { PatchError, patchErrorToStatus } from "./patch-error.js";
import { applyStrategicMergePatch, type PatchField, type PatchSchema } from "./strategic-merge-patch.js";

const field = (strategies: PatchField["strategies"], mergeKey?: string, child?: PatchSchema): PatchField => ({
  strategies,
  mergeKey,
  child,
});
const schemaOf = (fields: Record<string, PatchField>): PatchSchema => ({ field: (name) => fields[name] });

const container = schemaOf({ env: field(["merge"], "name", schemaOf({})), ports: field(["merge"], "containerPort", schemaOf({})) });
const deployment = schemaOf({
  metadata: field([], undefined, schemaOf({ finalizers: field(["merge"]) })),
  spec: field(
    [],
    undefined,
    schemaOf({
      containers: field(["merge"], "name", container),
      strategy: field(["retainKeys"], undefined, schemaOf({})),
      args: field([]),
      selector: field(["replace"], undefined, schemaOf({})),
    }),
  ),
});

const apply = (original: JSONObject, patch: JSONObject): JSONObject => applyStrategicMergePatch(original, patch, deployment);

describe("applyStrategicMergePatch()", () => {
  const live: JSONObject = {
    spec: {
      containers: [
        { name: "a", image: "a:1", env: [{ name: "X", value: "1" }] },
        { name: "b", image: "b:1" },
      ],
      args: ["1", "2"],
    },
  };

  it("merges list items by key and replaces other lists", () => {
    expect(apply(live, { spec: { containers: [{ name: "b", image: "b:2" }], args: ["3"] } })).toEqual({
      spec: {
        containers: [
          { name: "a", image: "a:1", env: [{ name: "X", value: "1" }] },
          { name: "b", image: "b:2" },
        ],
        args: ["3"],
      },
    });
  });

  it("deletes, replaces and appends items", () => {
    expect(
      apply(live, {
        spec: {
          containers: [
            { name: "a", $patch: "delete" },
            { name: "c", image: "c:1" },
          ],
        },
      }),
    ).toEqual({
      spec: {
        containers: [
          { name: "b", image: "b:1" },
          { name: "c", image: "c:1" },
        ],
        args: ["1", "2"],
      },
    });
    expect(apply(live, { spec: { containers: [{ $patch: "replace" }, { name: "z" }] } })).toEqual({
      spec: { containers: [{ name: "z" }], args: ["1", "2"] },
    });
  });

  it("orders items as $setElementOrder says, keeping unnamed ones in place", () => {
    const patched = apply(live, {
      spec: { "$setElementOrder/containers": [{ name: "b" }, { name: "c" }], containers: [{ name: "c", image: "c:1" }] },
    });
    expect(((patched["spec"] as JSONObject)["containers"] as JSONObject[]).map((item) => item["name"])).toEqual(["a", "b", "c"]);
    const swapped = apply(live, { spec: { "$setElementOrder/containers": [{ name: "b" }, { name: "a" }] } });
    expect(((swapped["spec"] as JSONObject)["containers"] as JSONObject[]).map((item) => item["name"])).toEqual(["b", "a"]);
  });

  it("refuses items that the order list does not name", () => {
    expect(() => apply(live, { spec: { "$setElementOrder/containers": [{ name: "a" }], containers: [{ name: "c" }] } })).toThrow(
      "doesn't match $setElementOrder list",
    );
  });

  it("clears union members that $retainKeys leaves out", () => {
    const rolling: JSONObject = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } };
    expect(apply(rolling, { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } })).toEqual({
      spec: { strategy: { type: "Recreate" } },
    });
    expect(() => apply(rolling, { spec: { strategy: { $retainKeys: ["type"], other: 1 } } })).toThrow(
      "patch content doesn't match retainKeys list",
    );
  });

  it("adds to and deletes from lists of primitives", () => {
    const object: JSONObject = { metadata: { finalizers: ["a", "b"] } };
    expect(apply(object, { metadata: { finalizers: ["c"] } })).toEqual({ metadata: { finalizers: ["a", "b", "c"] } });
    expect(apply(object, { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["b"] } })).toEqual({
      metadata: { finalizers: ["b"] },
    });
  });

  it("replaces objects whose strategy is replace", () => {
    expect(apply({ spec: { selector: { a: 1 } } }, { spec: { selector: { b: 2 } } })).toEqual({ spec: { selector: { b: 2 } } });
  });

  it("names a missing merge key", () => {
    expect(() => apply(live, { spec: { containers: [{ image: "x" }] } })).toThrow(
      'map: {"image":"x"} does not contain declared merge key: name',
    );
  });

  it("leaves no directive in the result (S1) and leaves its arguments alone", () => {
    const patch: JSONObject = {
      spec: {
        strategy: { $retainKeys: ["type"], type: "Recreate" },
        "$setElementOrder/containers": [{ name: "a" }],
        containers: [{ name: "a", env: [{ name: "Y", $patch: "delete" }] }],
      },
    };
    const before = JSON.stringify([live, patch]);
    expect(JSON.stringify(apply(live, patch))).not.toContain("$");
    expect(JSON.stringify(apply({}, patch))).not.toContain("$");
    expect(JSON.stringify([live, patch])).toBe(before);
  });
});

describe("applyJSONPatch()", () => {
  it("applies the six operations in order", () => {
    const document: JSONValue = { a: [1, 2], b: { c: 1 } };
    const patch: JSONValue = [
      { op: "test", path: "/a/1", value: 2 },
      { op: "add", path: "/a/-", value: 3 },
      { op: "add", path: "/a/0", value: 0 },
      { op: "replace", path: "/b/c", value: 2 },
      { op: "copy", from: "/b/c", path: "/d" },
      { op: "move", from: "/b", path: "/e~1f" },
      { op: "remove", path: "/a/3" },
    ];
    expect(applyJSONPatch(document, patch)).toEqual({ a: [0, 1, 2], d: 2, "e/f": { c: 2 } });
    expect(document).toEqual({ a: [1, 2], b: { c: 1 } });
  });

  it.each([
    [[{ op: "test", path: "/a", value: 2 }], "testing value /a failed: test failed"],
    [[{ op: "remove", path: "/x" }], "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value"],
    [[{ op: "replace", path: "/x", value: 1 }], "replace operation does not apply: doc is missing key: /x: missing value"],
    [[{ op: "add", path: "/x/y", value: 1 }], 'add operation does not apply: doc is missing path: "/x/y": missing value'],
    [[{ op: "jump", path: "/x" }], "Unexpected kind: jump"],
  ] as [JSONValue, string][])("refuses %j", (patch, message) => {
    expect(() => applyJSONPatch({ a: 1 }, patch)).toThrow(message);
  });

  it("answers 422 in upstream's fixed words", () => {
    const { status } = patchErrorToStatus(new PatchError("INAPPLICABLE", "testing value /a failed: test failed"));
    expect(status).toMatchObject({
      code: 422,
      reason: "Invalid",
      message: "the server rejected our request due to an error in our request",
    });
  });
});

describe("applyMergePatch()", () => {
  it("deletes with null, merges objects, replaces the rest (RFC 7386 §3)", () => {
    expect(applyMergePatch({ a: "b", c: { d: "e", f: "g" } }, { a: "z", c: { f: null } })).toEqual({ a: "z", c: { d: "e" } });
    expect(applyMergePatch({ a: [1] }, { a: [2], b: { c: null } })).toEqual({ a: [2], b: {} });
  });

  it("is idempotent", () => {
    const json = fc.object({ maxDepth: 3, values: [fc.string(), fc.integer(), fc.constant(null)] }) as fc.Arbitrary<JSONObject>;
    fc.assert(
      fc.property(json, json, (document, patch) => {
        const once = applyMergePatch(document, patch);
        expect(applyMergePatch(once, patch)).toEqual(once);
      }),
    );
  });
});
