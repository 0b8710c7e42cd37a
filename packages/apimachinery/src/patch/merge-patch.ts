// JSON merge patch, RFC 7386.
import { cloneJSON, isJSONObject, type JSONObject, type JSONValue } from "../meta/json.js";

/** The patched document; both arguments are left alone. */
export function applyMergePatch(document: JSONValue, patch: JSONValue): JSONValue {
  if (!isJSONObject(patch)) return cloneJSON(patch);
  const result: JSONObject = isJSONObject(document) ? { ...document } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = applyMergePatch(result[key] ?? null, value);
  }
  return result;
}
