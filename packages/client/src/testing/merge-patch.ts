// Patches as the fake server applies them.
type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };

/** RFC 7386. `mergeLists` merges lists of objects by the first of these keys they carry, as strategic merge does. */
export function mergePatch(target: unknown, patch: unknown, mergeLists = false): unknown {
  if (mergeLists && Array.isArray(target) && Array.isArray(patch)) return mergeByKey(target as Json[], patch as Json[]);
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value, mergeLists);
  }
  return result;
}

const mergeKeys = ["type", "uid", "name", "containerPort", "port", "ip"] as const;

function mergeByKey(target: Json[], patch: Json[]): Json[] {
  const key = mergeKeys.find((candidate) => [...target, ...patch].every((item) => isObject(item) && item[candidate] !== undefined));
  if (key === undefined) return patch;
  const result = [...target];
  for (const item of patch as { [key: string]: Json }[]) {
    const at = result.findIndex((existing) => isObject(existing) && existing[key] === item[key]);
    if (item["$patch"] === "delete") result.splice(at, at < 0 ? 0 : 1);
    else if (at < 0) result.push(item);
    else result[at] = mergePatch(result[at], item, true) as Json;
  }
  return result;
}

/** RFC 6902: add, replace, remove and test. */
export function jsonPatch(target: unknown, operations: readonly { op: string; path: string; value?: unknown }[]): unknown {
  const root = structuredClone(target) as Record<string, unknown>;
  for (const { op, path, value } of operations) {
    const steps = path
      .split("/")
      .slice(1)
      .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = steps.pop() ?? "";
    const parent = steps.reduce<Record<string, unknown>>((at, step) => (at?.[step] ?? {}) as Record<string, unknown>, root);
    if (op === "test") {
      if (JSON.stringify(parent[last]) !== JSON.stringify(value)) throw new Error(`testing value ${path} failed`);
    } else if (Array.isArray(parent)) {
      const at = last === "-" ? parent.length : Number(last);
      if (op === "remove") parent.splice(at, 1);
      else parent.splice(at, op === "replace" ? 1 : 0, value);
    } else if (op === "remove") delete parent[last];
    else parent[last] = value;
  }
  return root;
}

function isObject(value: unknown): value is Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
