// Schemas as OpenAPI v3 components: what kubectl explain prints, and what kubectl apply merges by.
//
// O1. A reference stands alone; with a description, default or extension beside it, it is wrapped in `allOf`.
// O2. Values that upstream's types hold in place show a default ({} for objects, the zero value for required scalars), others none.
// O3. The list of components is closed: every reference of a component leads to one.
// Source: k8s.io/kube-openapi pkg/generators.
import type { DescriptionTable } from "../schema/table.js";
import type { FieldSchema, ScalarSchema, Schema, SchemaRegistry, StructSchema } from "../schema/types.js";

export type OpenAPISchema = Record<string, unknown>;

/** Kinds under which a type is listed beside its own: DeleteOptions and WatchEvent travel in every group. */
export type ExtraKinds = (type: StructSchema) => readonly { group: string; version: string; kind: string }[];

export interface SchemaSource {
  readonly registry: SchemaRegistry;
  readonly descriptions: DescriptionTable;
  /** "#/components/schemas/" in v3, "#/definitions/" in v2. */
  readonly refPrefix: string;
  readonly extraKinds: ExtraKinds;
}

/** The types named and everything they refer to, by name, sorted. */
export function collectSchemas(source: SchemaSource, roots: Iterable<string>): Record<string, OpenAPISchema> {
  const pending = [...roots];
  const done = new Map<string, OpenAPISchema>();
  const refer = (name: string): string => {
    if (!done.has(name)) pending.push(name);
    return `${source.refPrefix}${name}`;
  };
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (done.has(name)) continue;
    const schema = name === patchType ? undefined : source.registry.type(name);
    done.set(name, schema === undefined ? { type: "object" } : component(source, name, schema, refer));
  }
  return Object.fromEntries([...done].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Body of a PATCH request: an object or a list, by its media type. */
export const patchType = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

type Refer = (name: string) => string;

function component(source: SchemaSource, name: string, schema: Schema, refer: Refer): OpenAPISchema {
  const texts = source.descriptions[name] ?? {};
  const description = texts[""] === undefined ? {} : { description: texts[""] };
  if (schema.type === "struct") return { ...description, ...structComponent(source, schema, texts, refer) };
  if (schema.type === "list") return { ...description, type: "array", items: valueSchema(schema.items, refer) };
  if (schema.type === "map") return { ...description, type: "object", additionalProperties: valueSchema(schema.values, refer) };
  return { ...description, ...scalarComponent(schema) };
}

function structComponent(source: SchemaSource, schema: StructSchema, texts: Readonly<Record<string, string>>, refer: Refer): OpenAPISchema {
  const properties: [string, OpenAPISchema][] = schema.fields.map((field) => [
    field.name,
    fieldSchema(
      field,
      { description: fieldText(source, schema, field, texts), isListOfKind: field.name === "items" && isListKind(schema) },
      refer,
    ),
  ]);
  if (schema.typeMeta) properties.push(["apiVersion", typeMetaProperty.apiVersion], ["kind", typeMetaProperty.kind]);
  const required = schema.fields.filter((field) => field.required).map((field) => field.name);
  const kinds = [...(schema.gvk === undefined ? [] : [schema.gvk]), ...source.extraKinds(schema)];
  return {
    type: "object",
    ...(properties.length > 0 && { properties: Object.fromEntries(properties.sort(([a], [b]) => (a < b ? -1 : 1))) }),
    ...(required.length > 0 && { required }),
    ...(kinds.length > 0 && { "x-kubernetes-group-version-kind": kinds.map(({ group, kind, version }) => ({ group, kind, version })) }),
    ...(schema.atomic && { "x-kubernetes-map-type": "atomic" }),
    ...(schema.preserveUnknown && { "x-kubernetes-preserve-unknown-fields": true }),
    ...unions(schema),
  };
}

const typeMetaProperty = {
  apiVersion: {
    type: "string",
    description:
      "Group and version of this object's form, such as apps/v1; a bare version means the core group. Other versions may show the same object.",
  },
  kind: {
    type: "string",
    description: "The type of this object, in CamelCase and singular. It belongs to the endpoint and cannot be changed.",
  },
};

/** An inlined field is described where its own type declares it. */
function fieldText(
  source: SchemaSource,
  schema: StructSchema,
  field: FieldSchema,
  texts: Readonly<Record<string, string>>,
): string | undefined {
  if (texts[field.name] !== undefined) return texts[field.name];
  const inlined = schema.wire.find((entry) => entry.inline?.byName.get(field.name) === field)?.inline;
  return inlined === undefined ? undefined : source.descriptions[inlined.name]?.[field.name];
}

/** The items of list kinds are no field to merge, so they show no list type. */
function isListKind(schema: StructSchema): boolean {
  return schema.typeMeta && schema.goName.endsWith("List");
}

interface FieldContext {
  readonly description: string | undefined;
  readonly isListOfKind: boolean;
}

function fieldSchema(field: FieldSchema, { description, isListOfKind }: FieldContext, refer: Refer): OpenAPISchema {
  const value = valueSchema(field.schema, refer);
  const beside: OpenAPISchema = {
    ...(description !== undefined && { description }),
    ...defaultOf(field),
    ...(isListOfKind ? {} : listExtensions(field)),
    ...(field.atomic && !(field.schema.type === "struct" && field.schema.atomic) && { "x-kubernetes-map-type": "atomic" }),
    ...(!field.atomic && field.schema.type === "struct" && field.schema.atomic && { "x-kubernetes-map-type": "granular" }),
    ...(field.patchMergeKey !== undefined && { "x-kubernetes-patch-merge-key": field.patchMergeKey }),
    ...(field.patchStrategies.length > 0 && { "x-kubernetes-patch-strategy": field.patchStrategies.join(",") }),
  };
  if (value["$ref"] === undefined) return { ...value, ...beside };
  return Object.keys(beside).length === 0 ? value : { allOf: [value], ...beside };
}

function listExtensions(field: FieldSchema): OpenAPISchema {
  if (field.listType === undefined) return {};
  return {
    ...(field.listMapKeys.length > 0 && { "x-kubernetes-list-map-keys": field.listMapKeys }),
    "x-kubernetes-list-type": field.listType,
  };
}

function defaultOf(field: FieldSchema): OpenAPISchema {
  const { schema, presence } = field;
  const isHeldByValue = presence === "always" || presence === "non-zero";
  if (field.default !== undefined) return { default: field.default };
  if (!isHeldByValue) return {};
  if (schema.type === "struct") return { default: {} };
  if (presence !== "always") return {};
  const zero = { string: "", bool: false, int32: 0, int64: 0, double: 0 }[schema.type as string];
  return zero === undefined ? {} : { default: zero };
}

function valueSchema(schema: Schema, refer: Refer): OpenAPISchema {
  switch (schema.type) {
    case "struct":
      return { $ref: refer(schema.name) };
    case "list":
      return { type: "array", items: valueSchema(schema.items, refer) };
    case "map":
      return { type: "object", additionalProperties: valueSchema(schema.values, refer) };
    default:
      return schema.name === undefined ? scalarComponent(schema) : { $ref: refer(schema.name) };
  }
}

function scalarComponent(schema: ScalarSchema): OpenAPISchema {
  switch (schema.type) {
    case "string":
      return schema.strings === undefined || schema.strings.open
        ? { type: "string" }
        : { type: "string", enum: [...schema.strings.values].sort() };
    case "bool":
      return { type: "boolean" };
    case "int32":
    case "int64":
      return { type: "integer", format: schema.type };
    case "double":
      return { type: "number", format: "double" };
    case "bytes":
      return { type: "string", format: "byte" };
    case "time":
    case "micro-time":
      return { type: "string", format: "date-time" };
    case "duration":
      return { type: "string" };
    case "quantity":
      return { oneOf: [{ type: "string" }, { type: "number" }] };
    case "int-or-string":
      return { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] };
    case "raw":
    case "fields":
      return { type: "object" };
    default:
      return {}; // any JSON
  }
}

/** Objects of which one member at a time is set, named by a discriminator. Member names are those of the Go fields. */
function unions(schema: StructSchema): OpenAPISchema {
  const discriminator = schema.fields.find((field) => field.discriminator);
  if (discriminator === undefined) return {};
  const members = schema.fields.filter((field) => field !== discriminator && field.presence === "given");
  const names = members.map(({ name }) => [name, name.charAt(0).toUpperCase() + name.slice(1)] as const);
  return { "x-kubernetes-unions": [{ discriminator: discriminator.name, "fields-to-discriminateBy": Object.fromEntries(names) }] };
}
