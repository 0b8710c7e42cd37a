// Zero values of schemas, and writing to plain objects without surprises.
import type { Schema } from "./types.js";

/** What the Go implementation prints for a value that was never set. Fresh on every call. */
export function zeroOf(schema: Schema): unknown {
  switch (schema.type) {
    case "struct": {
      const out: Record<string, unknown> = {};
      for (const field of schema.fields) {
        if (field.presence === "always") out[field.name] = zeroOf(field.schema);
        else if (field.presence === "or-null") out[field.name] = null;
      }
      return out;
    }
    case "string":
      return "";
    case "bool":
      return false;
    case "int32":
    case "int64":
    case "double":
    case "int-or-string":
      return 0;
    case "quantity":
      return "0";
    case "duration":
      return "0s";
    case "fields":
      return {};
    case "schema-or-bool":
      return false;
    default:
      return null; // lists, maps, bytes, times and embedded objects are nil
  }
}

/** Whether Go's `omitempty` (or `omitzero`) would drop the value. Structs are never empty. */
export function isZero(schema: Schema, value: unknown): boolean {
  switch (schema.type) {
    case "string":
    case "bytes":
      return value === "";
    case "bool":
      return value === false;
    case "int32":
    case "int64":
    case "double":
      return value === 0;
    case "list":
      return value === null || (value as unknown[]).length === 0;
    case "map":
      if (value === null) return true;
      for (const _ in value as object) return false;
      return true;
    default:
      return value === null;
  }
}

/** Sets an own property whatever its name: `__proto__` as a plain assignment would change the prototype instead. */
export function setKey(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}

/** Own keys in code-unit order: a total order without locale. */
export function sortedKeys(value: object): string[] {
  const keys = Object.keys(value);
  for (let i = 1; i < keys.length; i++) {
    if ((keys[i - 1] as string) > (keys[i] as string)) return keys.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }
  return keys;
}
