// The declared form of the API types: plain data, generated from /proto/k8s and handed in by whoever loads it.
// Short keys and absent defaults keep it small; `registry.ts` turns it into the schemas of `types.ts` on demand.

/** Types by OpenAPI name: "io.k8s.api.core.v1.Pod". */
export interface SchemaTable {
  readonly types: Readonly<Record<string, TypeEntry>>;
  /** Named string types with known values, by full name: "io.k8s.api.core.v1.Protocol". */
  readonly strings: Readonly<Record<string, StringsEntry>>;
}

export interface StringsEntry {
  readonly values: readonly string[];
  /** Other values are legal too. */
  readonly open?: boolean;
}

export interface TypeEntry {
  /** "v1", "apps/v1" on kinds; "" on types that carry apiVersion and kind without belonging to one group. */
  readonly kind?: string;
  readonly form?: TypeForm;
  /** Server-side apply owns the whole value. */
  readonly atomic?: boolean;
  /** No protobuf encoding. */
  readonly jsonOnly?: boolean;
  readonly fields: readonly FieldEntry[];
}

/** JSON forms that differ from an object with the declared fields. */
export type TypeForm =
  | "time"
  | "micro-time"
  | "duration"
  | "quantity"
  | "int-or-string"
  | "raw"
  | "json"
  | "fields"
  | "list"
  | "schema-or-bool"
  | "schema-or-array"
  | "schema-or-strings";

export interface FieldEntry {
  /** JSON name. */
  readonly name: string;
  readonly number: number;
  /** A scalar ("string", "bool", "int32", "int64", "double", "bytes", "any") or a key of `types`. */
  readonly type: string;
  /** Repeated, or a JSON object with string keys; absent: a single value. */
  readonly shape?: "list" | "map";
  readonly pointer?: boolean;
  readonly required?: boolean;
  /** JSON shows the zero value. */
  readonly always?: boolean;
  /** JSON shows the fields of `type` in the parent. */
  readonly inline?: boolean;
  /** Full name of the named type; a key of `strings` where its values are known. */
  readonly named?: string;
  readonly default?: unknown;
  readonly keys?: readonly string[];
  readonly set?: boolean;
  readonly patch?: string;
  readonly mergeKey?: string;
  readonly atomic?: boolean;
  readonly discriminator?: boolean;
}

/** Descriptions by type name; under "" that of the type itself, else by JSON field name. */
export type DescriptionTable = Readonly<Record<string, Readonly<Record<string, string>>>>;
