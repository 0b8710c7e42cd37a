import { type Decoded, type DecodeOptions, decode, strictPath } from "./decode.js";
import { findDuplicateKeys, type JSONPath, parseJSON } from "./json-text.js";
import type { Schema, StructSchema } from "./types.js";

/**
 * Reads JSON text as `schema`. With `unknownFields`, strictErrors also holds `duplicate field "…"` for keys named twice where the
 * schema knows them. Throws SchemaError MALFORMED_JSON, TYPE_MISMATCH.
 */
export function decodeJSON(schema: StructSchema, text: string, options: DecodeOptions = {}): Decoded {
  const decoded = decode(schema, parseJSON(text), options);
  if (options.unknownFields !== true) return decoded;
  const duplicates = duplicateFieldErrors(schema, findDuplicateKeys(text));
  return duplicates.length === 0 ? decoded : { ...decoded, strictErrors: [...decoded.strictErrors, ...duplicates] };
}

/** `duplicate field "spec.replicas"` for each path that leads to declared fields or map keys; embedded objects are not looked into. */
export function duplicateFieldErrors(schema: StructSchema, paths: readonly JSONPath[]): string[] {
  const errors = paths.filter((path) => isDeclared(schema, path)).map((path) => `duplicate field ${JSON.stringify(strictPath(path))}`);
  return [...new Set(errors)];
}

function isDeclared(root: Schema, path: JSONPath): boolean {
  let schema: Schema | undefined = root;
  for (const [i, step] of path.entries()) {
    if (schema?.type === "list") schema = schema.items;
    else if (schema?.type === "map") schema = schema.values;
    else if (schema?.type === "struct") {
      const isTypeMeta = schema.typeMeta && i === path.length - 1 && (step === "kind" || step === "apiVersion");
      if (isTypeMeta) return true;
      schema = schema.byName.get(String(step))?.schema;
    } else return false;
  }
  return schema !== undefined;
}
