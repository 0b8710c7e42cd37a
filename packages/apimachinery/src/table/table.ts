// Server-side tables: what `kubectl get` prints. Source: meta.k8s.io/v1 Table.
import type { KubernetesObject } from "../meta/object.js";

export interface ColumnDefinition {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  /** "name" on the first column, else "". */
  readonly format: string;
  readonly description: string;
  /** 0 always shown, 1 only with -o wide. */
  readonly priority: number;
}

export type TableCell = string | number | boolean | null;

export interface RowCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

export interface TableDefinition<T extends KubernetesObject = KubernetesObject> {
  readonly columns: readonly ColumnDefinition[];
  /** One cell a column. `nowMs` is wall time, for ages. */
  row(object: T, nowMs: number): TableCell[];
  conditions?(object: T): RowCondition[];
}
