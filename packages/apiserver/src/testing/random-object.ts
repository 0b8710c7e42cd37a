// Objects that fit a schema, made up from a seed: for properties that must hold for every kind and any content.
import type { FieldSchema, ScalarSchema, Schema, StructSchema } from "@lenj/apimachinery/schema";
import type { Random } from "@lenj/base";

/** Nesting below the object's top. Deeper values are left out, or empty where they must be there. */
const depthMax = 7;
const listMax = 3;
const texts = ["", "a", "web-1", "é", "日本", "with space", '"quoted"\\', "line\nbreak", "0", "true", "null"];
const keys = ["a", "app.kubernetes.io/name", "z", "__proto__", "é", "10"];
const durations = ["0s", "30s", "1m30s", "1.5s", "720h0m0s", "-5ms", "100ns"];
const quantities = ["0", "1", "100m", "1500m", "1.5", "2Gi", "1e3", "0.5Ki", "-1", "1000k", "12345678901234567890"];
const times = ["1970-01-01T00:00:00Z", "2026-02-28T23:59:59Z", "2024-02-29T12:00:00+02:00", "1969-12-31T23:59:59Z"];
const microTimes = ["2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.500000Z", "2026-01-01T00:00:00.000000Z"];
const documents = [{ x: 1 }, { apiVersion: "v1", kind: "Pod", metadata: { name: "p" } }, { deep: { list: [1, "two", null, true] } }];
const jsonValues = [...documents, "text", 5, -1.5, true, ["a"], [], {}];
const bytes = ["", "AA==", "AAEC", "/+8="];

export function randomObject(schema: StructSchema, random: Random): Record<string, unknown> {
  const about = schema.gvk === undefined ? {} : { kind: schema.gvk.kind, apiVersion: apiVersionOf(schema.gvk) };
  return { ...about, ...randomStruct(schema, random, depthMax) };
}

function apiVersionOf({ group, version }: { readonly group: string; readonly version: string }): string {
  return group === "" ? version : `${group}/${version}`;
}

function randomStruct(schema: StructSchema, random: Random, depth: number): Record<string, unknown> {
  // The deeper, the emptier: else a pod would be a thousand objects.
  const odds = depth === depthMax ? 0.9 : 0.55;
  const fields = schema.fields.filter((field) => field.required || random.next() < odds);
  return Object.fromEntries(fields.map((field) => [field.name, randomField(field, random, depth - 1)]));
}

function randomField(field: FieldSchema, random: Random, depth: number): unknown {
  if (!field.required && random.next() < 0.05) return null;
  return randomValue(field.schema, random, depth);
}

function randomValue(schema: Schema, random: Random, depth: number): unknown {
  switch (schema.type) {
    case "struct":
      return depth <= 0 ? {} : randomStruct(schema, random, depth);
    case "list":
      return depth <= 0 ? [] : Array.from({ length: random.below(listMax + 1) }, () => randomValue(schema.items, random, depth - 1));
    case "map":
      return Object.fromEntries(
        depth <= 0 ? [] : keys.filter(() => random.next() < 0.4).map((key) => [key, randomValue(schema.values, random, depth - 1)]),
      );
    default:
      return randomScalar(schema, random);
  }
}

function randomScalar(schema: ScalarSchema, random: Random): unknown {
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)] as T;
  switch (schema.type) {
    case "string":
      return pick(schema.strings !== undefined && random.next() < 0.8 ? schema.strings.values : texts);
    case "bool":
      return random.next() < 0.5;
    case "int32":
      return pick([0, 1, -1, 80, 65_536, 2_147_483_647, -2_147_483_648]);
    case "int64":
      return pick([0, 1, -1, 1_000_000_007, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER]);
    case "double":
      return pick([0, 1, -0.5, 1e21, 1e-7, 0.1]);
    case "bytes":
      return pick(bytes);
    case "time":
      return pick(times);
    case "micro-time":
      return pick(microTimes);
    case "duration":
      return pick(durations);
    case "quantity":
      return pick(quantities);
    case "int-or-string":
      return pick<unknown>([0, 8080, -1, "25%", "http", ""]);
    case "raw":
    case "fields":
      return pick(documents);
    case "json":
      return pick<unknown>(jsonValues);
    case "schema-or-bool":
      return pick<unknown>([true, false, { type: "string" }]);
    case "schema-or-array":
      return pick<unknown>([{ type: "string" }, [{ type: "string" }, {}]]);
    case "schema-or-strings":
      return pick<unknown>([{ type: "string" }, ["a", "b"]]);
  }
}
