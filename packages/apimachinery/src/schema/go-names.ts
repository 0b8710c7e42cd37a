// Names of types as error messages of the Go implementation show them, since clients and people match on them.
import type { ScalarType, Schema } from "./types.js";

const scalarNames: Partial<Record<ScalarType, string>> = {
  bytes: "[]uint8",
  double: "float64",
  json: "interface {}",
};

export function scalarGoType(type: ScalarType): string {
  return scalarNames[type] ?? type;
}

/** "io.k8s.api.core.v1.Pod" -> "v1.Pod". */
export function goTypeOf(name: string): string {
  const parts = name.split(".");
  return parts.slice(-2).join(".");
}

export function listGoType(items: Schema): string {
  return `[]${items.goType}`;
}

export function mapGoType(values: Schema): string {
  return `map[string]${values.goType}`;
}
