// Finding a field's schema, and what patches need to know of it.
import type { PatchField, PatchSchema } from "../patch/strategic-merge-patch.js";
import type { FieldSchema, Schema, StructSchema } from "./types.js";

const patchSchemas = new WeakMap<StructSchema, PatchSchema>();

/** The view strategic merge patch has of a type. The same object for the same schema. */
export function patchSchemaOf(schema: StructSchema): PatchSchema {
  let view = patchSchemas.get(schema);
  if (view === undefined) {
    view = createPatchSchema(schema);
    patchSchemas.set(schema, view);
  }
  return view;
}

function createPatchSchema(schema: StructSchema): PatchSchema {
  const fields = new Map<string, PatchField>();
  return {
    field(name) {
      let view = fields.get(name);
      const field = schema.byName.get(name);
      if (view === undefined && field !== undefined) {
        const child = structWithin(field.schema);
        view = {
          strategies: field.patchStrategies,
          mergeKey: field.patchMergeKey,
          child: child === undefined ? undefined : patchSchemaOf(child),
        };
        fields.set(name, view);
      }
      return view;
    },
  };
}

/** The struct that a value, the elements of a list or the values of a map have; undefined for scalars. */
function structWithin(schema: Schema): StructSchema | undefined {
  switch (schema.type) {
    case "struct":
      return schema;
    case "list":
      return structWithin(schema.items);
    case "map":
      return undefined; // merged key by key
    default:
      return undefined;
  }
}

/** The field at a path of names; list positions and map keys are skipped over. Undefined when a name is not declared. */
export function fieldAtPath(schema: StructSchema, path: readonly string[]): FieldSchema | undefined {
  let current: Schema = schema;
  let found: FieldSchema | undefined;
  for (const name of path) {
    while (current.type === "list") current = current.items;
    if (current.type === "map") {
      current = current.values;
      continue;
    }
    if (current.type !== "struct") return undefined;
    found = current.byName.get(name);
    if (found === undefined) return undefined;
    current = found.schema;
  }
  return found;
}
