// Schemas: what the API machinery knows of a type. Built-in kinds and custom resources have the same form.
//
// A schema describes the JSON form of a value; where a protobuf form exists, fields carry its numbers. Schemas are immutable and
// may refer to each other in cycles (JSONSchemaProps), so fields resolve their schema lazily through a getter.
// Readers: decode.ts (types and normal form), lookup.ts (patches), ../codec (protobuf), ../openapi.
import type { GroupVersionKind } from "../meta/object.js";

export type Schema = ScalarSchema | ListSchema | MapSchema | StructSchema;

/** Leaves, including those whose JSON form is more than one primitive. */
export type ScalarType =
  | "string"
  | "bool"
  | "int32"
  | "int64"
  | "double"
  /** Base64 text. */
  | "bytes"
  /** RFC 3339 text with seconds; null when zero. */
  | "time"
  /** RFC 3339 text with microseconds; null when zero. */
  | "micro-time"
  /** Go duration text. */
  | "duration"
  /** Canonical quantity text. */
  | "quantity"
  | "int-or-string"
  /** An embedded API object. */
  | "raw"
  /** Any JSON value. */
  | "json"
  /** A field set of server-side apply. */
  | "fields"
  /** A JSON schema, or one of its short forms. */
  | "schema-or-bool"
  | "schema-or-array"
  | "schema-or-strings";

export interface ScalarSchema {
  readonly type: ScalarType;
  /** As error messages of the Go implementation name it: "int32", "v1.PullPolicy". */
  readonly goType: string;
  /** OpenAPI name of the declaring type, for those that have one (Time, Quantity, RawExtension…). */
  readonly name: string | undefined;
  /** Legal or known strings. */
  readonly strings: { readonly values: readonly string[]; readonly open: boolean } | undefined;
  /** JSON schema used by the short forms of JSONSchemaProps. */
  readonly nested: StructSchema | undefined;
}

export interface ListSchema {
  readonly type: "list";
  readonly goType: string;
  readonly items: Schema;
  /** Wrapped in a message of its own on the protobuf wire (ExtraValue, Verbs). */
  readonly wrapped: boolean;
}

export interface MapSchema {
  readonly type: "map";
  readonly goType: string;
  readonly values: Schema;
}

export interface StructSchema {
  readonly type: "struct";
  /** OpenAPI name: "io.k8s.api.apps.v1.Deployment". */
  readonly name: string;
  /** Last part of the name, as error messages show it: "Deployment". */
  readonly goName: string;
  /** "v1.Deployment". */
  readonly goType: string;
  /** JSON carries `kind` and `apiVersion`, which are not in `fields`. */
  readonly typeMeta: boolean;
  /** Set on API kinds. */
  readonly gvk: GroupVersionKind | undefined;
  /** Server-side apply owns the whole value, unless the referring field says otherwise. */
  readonly atomic: boolean;
  readonly hasProtobuf: boolean;
  /** Unknown fields are kept (custom resources with x-kubernetes-preserve-unknown-fields). */
  readonly preserveUnknown: boolean;
  /** In declaration order, inlined fields in place of the field that inlines them. */
  readonly fields: readonly FieldSchema[];
  /** The same fields by JSON name. */
  readonly byName: ReadonlyMap<string, FieldSchema>;
  /** As protobuf sees it: inlined messages are fields of their own. In order of number. */
  readonly wire: readonly WireField[];
}

/**
 * When JSON shows a field.
 * - `non-zero`: not when zero, empty or null.
 * - `always`: also when absent from the input, then as the zero value of its type.
 * - `given`: when given, whatever the value; null counts as absent.
 * - `or-null`: always, as null when absent.
 */
export type Presence = "non-zero" | "always" | "given" | "or-null";

export interface FieldSchema {
  readonly name: string;
  readonly schema: Schema;
  readonly presence: Presence;
  readonly required: boolean;
  /** Declared default (JSON), or undefined. Shared: clone before placing it in an object. */
  readonly default: unknown;
  /** How strategic merge patch treats the field. */
  readonly patchStrategies: readonly PatchStrategy[];
  readonly patchMergeKey: string | undefined;
  /** Lists: how server-side apply identifies elements. Undefined for other types. */
  readonly listType: "atomic" | "set" | "map" | undefined;
  readonly listMapKeys: readonly string[];
  /** Maps and structs: server-side apply owns the value as a whole. */
  readonly atomic: boolean;
  readonly discriminator: boolean;
}

export type PatchStrategy = "merge" | "retainKeys" | "replace";

export type WireField =
  | { readonly number: number; readonly field: FieldSchema; readonly inline: undefined }
  | { readonly number: number; readonly field: undefined; readonly inline: StructSchema };

/** Schemas by name and by kind. */
export interface SchemaRegistry {
  /** By OpenAPI name. */
  type(name: string): Schema | undefined;
  kind(gvk: GroupVersionKind): StructSchema | undefined;
  /** Kinds in declaration order. */
  kinds(): IterableIterator<StructSchema>;
  /** Adds or replaces a kind at run time (custom resources); returns the function that takes it away. */
  addKind(gvk: GroupVersionKind, schema: StructSchema): () => void;
}
