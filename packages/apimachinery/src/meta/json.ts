/** Plain JSON data, the in-memory form of every API object. */
export type JSONValue = null | boolean | number | string | JSONValue[] | JSONObject;

export interface JSONObject {
  [key: string]: JSONValue;
}

/** True for objects that are neither null nor arrays. */
export function isJSONObject(value: unknown): value is JSONObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Deep copy of plain JSON data. Faster than structuredClone, which also looks for cycles and exotic types. */
export function cloneJSON<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(cloneJSON) as T;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const child = cloneJSON((value as Record<string, unknown>)[key]);
    // A legal key of a ConfigMap; assigned like others it would change the prototype.
    if (key === "__proto__") Object.defineProperty(copy, key, { value: child, enumerable: true, configurable: true, writable: true });
    else copy[key] = child;
  }
  return copy as T;
}
