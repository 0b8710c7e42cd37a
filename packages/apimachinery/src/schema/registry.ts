// Turns the declared table into schemas, type by type as they are asked for, and keeps the kinds added at run time.
//
// Owns:  the compiled schemas and the kinds map.
// R1. A type is compiled once; everyone sees the same object, so schemas may be compared by identity.
// R2. Reference cycles (JSONSchemaProps) are closed by publishing a struct before its fields are filled in.
import { invariant } from "@lenj/base";
import { formatAPIVersion, type GroupVersionKind, parseAPIVersion } from "../meta/object.js";
import { goTypeOf, listGoType, mapGoType, scalarGoType } from "./go-names.js";
import type { FieldEntry, SchemaTable, TypeEntry } from "./table.js";
import type {
  FieldSchema,
  PatchStrategy,
  Presence,
  ScalarSchema,
  ScalarType,
  Schema,
  SchemaRegistry,
  StructSchema,
  WireField,
} from "./types.js";

/** Schemas of the table's types. The table must not change afterwards. */
export function createSchemaRegistry(table: SchemaTable): SchemaRegistry {
  return new TableRegistry(table);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

class TableRegistry implements SchemaRegistry {
  readonly #table: SchemaTable;
  readonly #types = new Map<string, Schema>();
  /** Name of the table's type by "group/version, Kind". */
  readonly #builtin = new Map<string, string>();
  readonly #added = new Map<string, StructSchema>();
  /** Types such as DeleteOptions and Status travel under whatever group and version the request is about. */
  readonly #anyGroup = new Map<string, string>();

  constructor(table: SchemaTable) {
    this.#table = table;
    for (const [name, entry] of Object.entries(table.types)) {
      if (entry.kind === "" && name.startsWith(metaPackage)) this.#anyGroup.set(lastPart(name), name);
      if (entry.kind) this.#builtin.set(kindKey({ ...parseAPIVersion(entry.kind), kind: lastPart(name) }), name);
    }
  }

  type(name: string): Schema | undefined {
    const known = this.#types.get(name);
    if (known !== undefined) return known;
    const entry = this.#table.types[name];
    return entry === undefined ? undefined : this.#compileType(name, entry);
  }

  kind(gvk: GroupVersionKind): StructSchema | undefined {
    const key = kindKey(gvk);
    const added = this.#added.get(key);
    if (added !== undefined) return added;
    const name = this.#builtin.get(key) ?? this.#anyGroup.get(gvk.kind);
    return name === undefined ? undefined : this.#struct(name);
  }

  *kinds(): IterableIterator<StructSchema> {
    for (const [key, name] of this.#builtin) if (!this.#added.has(key)) yield this.#struct(name);
    yield* this.#added.values();
  }

  addKind(gvk: GroupVersionKind, schema: StructSchema): () => void {
    const key = kindKey(gvk);
    this.#added.set(key, schema);
    return () => {
      if (this.#added.get(key) === schema) this.#added.delete(key);
    };
  }

  #struct(name: string): StructSchema {
    const schema = this.type(name);
    invariant(schema?.type === "struct", () => `type ${name} is not an object`);
    return schema;
  }

  #compileType(name: string, entry: TypeEntry): Schema {
    if (entry.form === "list") {
      const schema = { type: "list", goType: goTypeOf(name), items: this.#scalar("string"), wrapped: true } as const;
      this.#types.set(name, schema);
      return schema;
    }
    if (entry.form !== undefined) {
      const scalar: Mutable<ScalarSchema> = { type: entry.form, goType: goTypeOf(name), name, strings: undefined, nested: undefined };
      this.#types.set(name, scalar);
      const nested = entry.fields.find((field) => field.name === "schema");
      if (nested !== undefined) scalar.nested = this.#struct(nested.type);
      return scalar;
    }
    return this.#compileStruct(name, entry);
  }

  #compileStruct(name: string, entry: TypeEntry): StructSchema {
    const fields: FieldSchema[] = [];
    const byName = new Map<string, FieldSchema>();
    const wire: WireField[] = [];
    const goName = lastPart(name);
    const struct: StructSchema = {
      type: "struct",
      name,
      goName,
      goType: goTypeOf(name),
      typeMeta: entry.kind !== undefined,
      gvk: entry.kind ? { ...parseAPIVersion(entry.kind), kind: goName } : undefined,
      atomic: entry.atomic === true,
      hasProtobuf: entry.jsonOnly !== true,
      preserveUnknown: false,
      fields,
      byName,
      wire,
    };
    this.#types.set(name, struct);
    for (const declared of entry.fields) {
      if (declared.inline) {
        const inline = this.#struct(declared.type);
        fields.push(...inline.fields);
        wire.push({ number: declared.number, field: undefined, inline });
      } else {
        const field = this.#compileField(declared);
        fields.push(field);
        wire.push({ number: declared.number, field, inline: undefined });
      }
    }
    for (const field of fields) byName.set(field.name, field);
    wire.sort((a, b) => a.number - b.number);
    return struct;
  }

  #compileField(entry: FieldEntry): FieldSchema {
    const schema = this.#fieldSchema(entry);
    return {
      name: entry.name,
      schema,
      presence: presenceOf(entry),
      required: entry.required === true,
      default: entry.default,
      patchStrategies: entry.patch === undefined ? [] : (entry.patch.split(",") as PatchStrategy[]),
      patchMergeKey: entry.mergeKey,
      listType: schema.type !== "list" ? undefined : entry.keys !== undefined ? "map" : entry.set ? "set" : "atomic",
      listMapKeys: entry.keys ?? [],
      atomic: entry.atomic ?? (schema.type === "struct" && schema.atomic),
      discriminator: entry.discriminator === true,
    };
  }

  #fieldSchema(entry: FieldEntry): Schema {
    const element = this.#element(entry);
    const named = entry.named !== undefined && this.#table.strings[entry.named] === undefined ? goTypeOf(entry.named) : undefined;
    if (entry.shape === "list") return { type: "list", goType: named ?? listGoType(element), items: element, wrapped: false };
    if (entry.shape === "map") return { type: "map", goType: named ?? mapGoType(element), values: element };
    return element;
  }

  #element(entry: FieldEntry): Schema {
    if (entry.type.includes(".")) {
      const schema = this.type(entry.type);
      invariant(schema !== undefined, () => `field ${entry.name} refers to unknown type ${entry.type}`);
      return schema;
    }
    const type = entry.type === "any" ? "json" : (entry.type as ScalarType);
    return this.#scalar(type, entry.shape === undefined || this.#isStrings(entry.named) ? entry.named : undefined);
  }

  #isStrings(name: string | undefined): boolean {
    return name !== undefined && this.#table.strings[name] !== undefined;
  }

  /** Scalars are shared: one object per type and name. */
  #scalar(type: ScalarType, named?: string): ScalarSchema {
    const key = named === undefined ? type : `${type} ${named}`;
    const known = this.#types.get(key) as ScalarSchema | undefined;
    if (known !== undefined) return known;
    const entry = named === undefined ? undefined : this.#table.strings[named];
    const strings = entry === undefined ? undefined : { values: entry.values, open: entry.open === true };
    const goType = named === undefined ? scalarGoType(type) : goTypeOf(named);
    const schema: ScalarSchema = { type, goType, name: undefined, strings, nested: undefined };
    this.#types.set(key, schema);
    return schema;
  }
}

const metaPackage = "io.k8s.apimachinery.pkg.apis.meta.v1.";

function presenceOf(entry: FieldEntry): Presence {
  if (entry.pointer) return entry.always ? "or-null" : "given";
  return entry.always ? "always" : "non-zero";
}

function kindKey({ group, version, kind }: GroupVersionKind): string {
  return `${formatAPIVersion(group, version)}, ${kind}`;
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}
