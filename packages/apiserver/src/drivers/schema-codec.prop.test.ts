// What a client writes in one form everybody must read in the others, and what is stored must come back: for every built-in kind,
// with made-up content. A failure names the kind and the seed.
import { builtinResources, findKind } from "@lenj/api";
import { cloneJSON, type GroupVersionKind, type KubernetesObject } from "@lenj/apimachinery";
import { createSchemaRegistry, type SchemaTable, type StructSchema } from "@lenj/apimachinery/schema";
import { SeededRandom } from "@lenj/base";
import { loadSchemaTable } from "@lenj/proto/k8s-schema";
import { stringify } from "yaml";
import { randomObject } from "../testing/random-object.js";
import { SchemaCodec } from "./schema-codec.js";

const seeds = [1, 2, 3];
const schemas = createSchemaRegistry(loadSchemaTable() as SchemaTable);
// Lists hold their kind's objects and nothing else.
const kinds = [...schemas.kinds()].filter(({ hasProtobuf, goName }) => hasProtobuf && !goName.endsWith("List"));
const defaultsOf = (kind: GroupVersionKind): ((object: KubernetesObject) => void) | undefined =>
  findKind(kind.group, kind.version, kind.kind)?.defaults;
const plain = new SchemaCodec({ schemas, storageMediaType: "application/vnd.kubernetes.protobuf", defaultsOf: () => undefined });
const defaulting = new SchemaCodec({ schemas, storageMediaType: "application/vnd.kubernetes.protobuf", defaultsOf });

function bytesOf(object: object): Uint8Array {
  return Buffer.from(JSON.stringify(object));
}

/** Protobuf cannot tell an empty list or map from none: upstream prints null for those that JSON must show. */
function withoutEmpty(value: unknown): unknown {
  const isEmpty = (child: unknown): boolean => child === null || (typeof child === "object" && Object.keys(child as object).length === 0);
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, child]) => !isEmpty(child))
      .map(([key, child]) => [key, withoutEmpty(child)]),
  );
}

function same(actual: unknown, expected: unknown, context: string): void {
  if (JSON.stringify(actual) === JSON.stringify(expected)) return;
  expect({ context, object: withoutEmpty(actual) }).toEqual({ context, object: withoutEmpty(expected) });
}

describe.each(kinds.map((schema) => [schema.name, schema] as const))("%s", (name, schema: StructSchema) => {
  const kind = schema.gvk as GroupVersionKind;
  const each = (check: (object: KubernetesObject, context: string) => void): void => {
    for (const seed of seeds) check(randomObject(schema, new SeededRandom(seed)) as KubernetesObject, `${name}, seed ${seed}`);
  };

  it("is read alike from JSON, YAML and protobuf", () => {
    each((object, context) => {
      const fromJSON = plain.decode(bytesOf(object), "json", kind);
      same(fromJSON.strictProblems, [], context);
      same(plain.decode(plain.encodeProtobuf(fromJSON.object, kind), "protobuf", kind).object, fromJSON.object, `${context}, protobuf`);
      if (context.endsWith("seed 1"))
        same(plain.decode(Buffer.from(stringify(object)), "yaml", kind).object, fromJSON.object, `${context}, yaml`);
    });
  });

  it("has a normal form that a second reading does not change", () => {
    each((object, context) => {
      const normal = plain.decode(bytesOf(object), "json", kind).object;
      same(plain.normalize(cloneJSON(normal), kind).object, normal, context);
    });
  });

  it("is defaulted once, and comes back from the store as it went", () => {
    const defaults = defaultsOf(kind);
    if (defaults === undefined) return;
    each((object, context) => {
      const defaulted = defaulting.decode(bytesOf(object), "json", kind).object;
      const again = cloneJSON(defaulted);
      defaults(again);
      same(again, defaulted, `${context}, defaults`);
      same(defaulting.normalize(cloneJSON(defaulted), kind).object, defaulted, `${context}, normalized`);
      const stored = defaulting.decodeStored(defaulting.encodeStored(defaulted, kind));
      // As every reader of the store does: some defaults have no place in protobuf (kind and apiVersion within a spec).
      defaults(stored);
      const { resourceVersion: _version, selfLink: _link, ...metadata } = defaulted.metadata ?? {};
      same(stored, { ...defaulted, metadata }, `${context}, stored`);
    });
  });
});

describe("kinds", () => {
  it("are all those that are served", () => {
    const known = new Set(kinds.map(({ gvk }) => JSON.stringify(gvk)));
    const isJSONOnly = (gvk: GroupVersionKind): boolean => schemas.kind(gvk)?.hasProtobuf === false;
    const served = builtinResources.map(({ gvk }) => gvk).filter((gvk) => !isJSONOnly(gvk));
    expect(served.filter(({ group, version, kind }) => !known.has(JSON.stringify({ group, version, kind })))).toEqual([]);
  });
});
