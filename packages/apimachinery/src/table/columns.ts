import type { KubernetesObject } from "../meta/object.js";
import { formatHumanDuration } from "../time/human-duration.js";
import type { ColumnDefinition, TableCell, TableDefinition } from "./table.js";

interface ColumnOptions {
  readonly type?: ColumnDefinition["type"];
  /** Shown only with -o wide. */
  readonly wide?: boolean;
  readonly description?: string;
}

export function column(name: string, options: ColumnOptions = {}): ColumnDefinition {
  return {
    name,
    type: options.type ?? "string",
    format: "",
    description: options.description ?? "",
    priority: options.wide === true ? 1 : 0,
  };
}

export const nameColumn: ColumnDefinition = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name, unique among objects of this kind in its namespace; cannot be changed.",
  priority: 0,
};

export const ageColumn: ColumnDefinition = column("Age", { description: "Time since the object was created." });

/** Time since `timestamp`; `<unknown>` when there is none. */
export function formatAge(timestamp: string | null | undefined, nowMs: number): string {
  if (timestamp === undefined || timestamp === null || timestamp === "") return "<unknown>";
  return formatHumanDuration(nowMs - Date.parse(timestamp));
}

/** A column and what it shows of an object. */
export type TableCellSource<T extends KubernetesObject> = readonly [ColumnDefinition, (object: T, nowMs: number) => TableCell];

/** A table from its columns; rows have as many cells by construction. */
export function defineTable<T extends KubernetesObject>(
  cells: readonly TableCellSource<T>[],
  conditions?: TableDefinition<T>["conditions"],
): TableDefinition<T> {
  return {
    columns: cells.map(([definition]) => definition),
    row: (object, nowMs) => cells.map(([, show]) => show(object, nowMs)),
    ...(conditions && { conditions }),
  };
}

/** The name column, ready for defineTable. */
export const name: TableCellSource<KubernetesObject> = [nameColumn, (object) => object.metadata?.name ?? ""];

/** The age column, ready for defineTable. */
export const age: TableCellSource<KubernetesObject> = [ageColumn, (object, nowMs) => formatAge(object.metadata?.creationTimestamp, nowMs)];

/** Name and creation time: what kinds without columns of their own show. */
export const defaultTable: TableDefinition = {
  columns: [
    nameColumn,
    { name: "Created At", type: "date", format: "", description: "Time at which the object was created.", priority: 0 },
  ],
  row: (object: KubernetesObject) => [object.metadata?.name ?? "", object.metadata?.creationTimestamp ?? ""],
};

/** Name and age: custom resources and small kinds. */
export const nameAndAgeTable: TableDefinition = defineTable([name, age]);
