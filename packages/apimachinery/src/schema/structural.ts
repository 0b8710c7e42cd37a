// The structural schema of a custom resource in the form built-in kinds have.
//
// Differences to built-in kinds: what is given stays as given (no zero values dropped or filled in), unknown fields are pruned
// unless preserved, leaves are checked by the resource's own validation rather than while decoding, there is no protobuf form.
// Source: k8s.io/apiextensions-apiserver pkg/apiserver/schema.
import type { GroupVersionKind } from "../meta/object.js";
import type { FieldSchema, ScalarSchema, Schema, StructSchema } from "./types.js";

/** The parts of apiextensions/v1 JSONSchemaProps that shape a value. */
export interface StructuralProps {
  readonly type?: string | undefined;
  readonly properties?: Readonly<Record<string, StructuralProps>> | undefined;
  readonly additionalProperties?: StructuralProps | boolean | undefined;
  readonly items?: StructuralProps | readonly StructuralProps[] | undefined;
  readonly required?: readonly string[] | undefined;
  readonly default?: unknown;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean | undefined;
  readonly "x-kubernetes-embedded-resource"?: boolean | undefined;
  readonly "x-kubernetes-int-or-string"?: boolean | undefined;
  readonly "x-kubernetes-list-type"?: string | undefined;
  readonly "x-kubernetes-list-map-keys"?: readonly string[] | undefined;
  readonly "x-kubernetes-map-type"?: string | undefined;
}

export interface StructuralOptions {
  readonly gvk: GroupVersionKind;
  /** Schema of metadata, as the registry has it for ObjectMeta. */
  readonly objectMeta: Schema;
}

/** `props` is the version's openAPIV3Schema; undefined stands for "anything goes". */
export function structuralSchema(props: StructuralProps | undefined, options: StructuralOptions): StructSchema {
  const root = props ?? { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const { metadata: _, apiVersion: __, kind: ___, ...properties } = root.properties ?? {};
  const name = `${options.gvk.group}.${options.gvk.version}.${options.gvk.kind}`;
  const own = structOf(name, { ...root, properties }, options);
  return {
    ...withFields(own, [metadataField(options.objectMeta), ...own.fields]),
    gvk: options.gvk,
    goName: options.gvk.kind,
    typeMeta: true,
  };
}

function structOf(name: string, props: StructuralProps, options: StructuralOptions): StructSchema {
  const required = new Set(props.required);
  const isEmbedded = props["x-kubernetes-embedded-resource"] === true;
  const fields = Object.entries(props.properties ?? {})
    .filter(([key]) => !(isEmbedded && ["metadata", "apiVersion", "kind"].includes(key)))
    .map(([key, child]) => fieldOf(key, child, required.has(key), { name: `${name}.${key}`, options }));
  const base: StructSchema = {
    type: "struct",
    name,
    goName: name.slice(name.lastIndexOf(".") + 1),
    goType: "map[string]interface {}",
    typeMeta: isEmbedded,
    gvk: undefined,
    atomic: props["x-kubernetes-map-type"] === "atomic",
    hasProtobuf: false,
    preserveUnknown: props["x-kubernetes-preserve-unknown-fields"] === true,
    fields: [],
    byName: new Map(),
    wire: [],
  };
  return withFields(base, isEmbedded ? [metadataField(options.objectMeta), ...fields] : fields);
}

function withFields(schema: StructSchema, fields: readonly FieldSchema[]): StructSchema {
  return { ...schema, fields, byName: new Map(fields.map((field) => [field.name, field])) };
}

function metadataField(objectMeta: Schema): FieldSchema {
  return { ...plainField, name: "metadata", schema: objectMeta, presence: "always" };
}

function fieldOf(name: string, props: StructuralProps, required: boolean, at: { name: string; options: StructuralOptions }): FieldSchema {
  const schema = valueOf(at.name, props, at.options);
  const listType = props["x-kubernetes-list-type"];
  return {
    ...plainField,
    name,
    schema,
    required,
    default: props.default,
    listType: schema.type !== "list" ? undefined : listType === "map" || listType === "set" ? listType : "atomic",
    listMapKeys: props["x-kubernetes-list-map-keys"] ?? [],
    atomic: props["x-kubernetes-map-type"] === "atomic",
  };
}

function valueOf(name: string, props: StructuralProps, options: StructuralOptions): Schema {
  if (props["x-kubernetes-int-or-string"] === true) return anyValue;
  if (props.type === "array" && props.items !== undefined && !isList(props.items)) {
    return { type: "list", goType: "[]interface {}", items: valueOf(`${name}.items`, props.items, options), wrapped: false };
  }
  if (props.type !== "object") return anyValue;
  const { additionalProperties } = props;
  if (typeof additionalProperties === "object") {
    return { type: "map", goType: "map[string]interface {}", values: valueOf(`${name}.values`, additionalProperties, options) };
  }
  return additionalProperties === true ? anyValue : structOf(name, props, options);
}

function isList(items: StructuralProps | readonly StructuralProps[]): items is readonly StructuralProps[] {
  return Array.isArray(items);
}

const anyValue: ScalarSchema = { type: "json", goType: "interface {}", name: undefined, strings: undefined, nested: undefined };

const plainField: Omit<FieldSchema, "name" | "schema"> = {
  presence: "given",
  required: false,
  default: undefined,
  patchStrategies: [],
  patchMergeKey: undefined,
  listType: undefined,
  listMapKeys: [],
  atomic: false,
  discriminator: false,
};
