import { loadSchemaTable } from "@lenj/proto/testing";
import { decode } from "../schema/decode.js";
import { decodeJSON } from "../schema/decode-json.js";
import { createSchemaRegistry } from "../schema/registry.js";
import type { Schema, StructSchema } from "../schema/types.js";
import { decodeProtobuf, encodeProtobuf } from "./envelope.js";

const registry = createSchemaRegistry(loadSchemaTable());
const kinds = [...registry.kinds()].filter((schema) => schema.hasProtobuf);
const pod = registry.kind({ group: "", version: "v1", kind: "Pod" }) as StructSchema;

/** A value with every field set, nested to `depth`. */
function filled(schema: Schema, depth: number): unknown {
  switch (schema.type) {
    case "struct":
      return depth === 0 ? {} : Object.fromEntries(schema.fields.map((field) => [field.name, filled(field.schema, depth - 1)]));
    case "list":
      return [filled(schema.items, depth)];
    case "map":
      return { b: filled(schema.values, depth), a: filled(schema.values, depth) };
    case "string":
      return "é-text";
    case "bool":
      return true;
    case "int32":
    case "int64":
      return -7;
    case "double":
      return 1.5;
    case "bytes":
      return "AAEC";
    case "time":
      return "2024-05-06T07:08:09Z";
    case "micro-time":
      return "2024-05-06T07:08:09.000010Z";
    case "duration":
      return "1m30s";
    case "quantity":
      return "1500m";
    case "int-or-string":
      return "25%";
    case "schema-or-strings":
      return ["a"];
    case "schema-or-array":
      return [{}];
    case "schema-or-bool":
      return true;
    default:
      return { x: [1, null, "y"] };
  }
}

describe("protobuf codec", () => {
  it.each(kinds.map((schema) => [schema.name, schema] as const))("keeps every field of %s", (_name, schema) => {
    const gvk = schema.gvk ?? { group: "", version: "v1", kind: schema.goName };
    const apiVersion = gvk.group === "" ? gvk.version : `${gvk.group}/${gvk.version}`;
    const object = decode(schema, { kind: gvk.kind, apiVersion, ...(filled(schema, 5) as object) }).object;
    expect(decode(schema, object).object).toEqual(object);
    expect(JSON.stringify(decodeProtobuf(registry, encodeProtobuf(schema, object)))).toBe(JSON.stringify(object));
  });
});

describe("decodeJSON()", () => {
  it("names the field of a wrong type as upstream does", () => {
    expect(() => decodeJSON(pod, '{"spec":{"containers":[{"name":"a","image":3}]}}')).toThrow(
      "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
    );
  });

  it("notes unknown and duplicate fields", () => {
    const text = '{"spec":{"foo":1,"nodeName":"a","nodeName":"b","containers":[{"name":"x","bar":{"y":1,"y":2}}]}}';
    expect(decodeJSON(pod, text, { unknownFields: true }).strictErrors).toEqual([
      'unknown field "spec.containers[0].bar"',
      'unknown field "spec.foo"',
      'duplicate field "spec.nodeName"',
    ]);
  });

  it("shows structs held by value and drops zero values", () => {
    expect(decodeJSON(pod, '{"metadata":{"creationTimestamp":null},"spec":{"containers":[],"nodeName":""}}').object).toEqual({
      metadata: {},
      spec: { containers: [] },
      status: {},
    });
  });
});
