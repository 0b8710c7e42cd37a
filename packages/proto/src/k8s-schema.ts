/**
 * The Kubernetes API types as data, for processes that serve, validate or encode them. Parsing costs a few milliseconds and some
 * megabytes, so it happens on call; the caller keeps the result. The form is that of SchemaTable in the API machinery.
 */
export { fingerprint } from "./gen/k8s/fingerprint.js";

import { text } from "./gen/k8s/schema-table.js";

export interface K8sSchemaTable {
  readonly types: Readonly<Record<string, K8sTypeEntry>>;
  readonly strings: Readonly<Record<string, { readonly values: readonly string[]; readonly open?: boolean }>>;
}

export interface K8sTypeEntry {
  readonly kind?: string;
  readonly form?:
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
  readonly atomic?: boolean;
  readonly jsonOnly?: boolean;
  readonly fields: readonly K8sFieldEntry[];
}

export interface K8sFieldEntry {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly shape?: "list" | "map";
  readonly pointer?: boolean;
  readonly required?: boolean;
  readonly always?: boolean;
  readonly inline?: boolean;
  readonly named?: string;
  readonly default?: unknown;
  readonly keys?: readonly string[];
  readonly set?: boolean;
  readonly patch?: string;
  readonly mergeKey?: string;
  readonly atomic?: boolean;
  readonly discriminator?: boolean;
}

export function loadSchemaTable(): K8sSchemaTable {
  return JSON.parse(text) as K8sSchemaTable;
}

/** Descriptions by type; under "" that of the type, else by field. */
export async function loadDescriptions(): Promise<Readonly<Record<string, Readonly<Record<string, string>>>>> {
  const module = await import("./gen/k8s/descriptions.js");
  return JSON.parse(module.text) as Record<string, Record<string, string>>;
}
