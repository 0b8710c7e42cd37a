// JSON -> the normal form of a type, in one pass: types are checked, unknown fields noted, zero values dropped or filled in.
//
// Owns:  the decision what a JSON value becomes when the Go implementation reads and prints it again.
// Not:   parsing text (duplicates.ts looks at that), semantic validation, defaults that need code.
// N1. The result is a new tree that shares embedded objects (raw, json) with the input and nothing else.
// N2. Fields come in declaration order and map keys sorted, so equal objects have equal JSON.
// N3. decode(decode(x)) equals decode(x).
// N4. The first value that does not fit ends the pass with upstream's words; unknown fields never do.
// Source: sigs.k8s.io/json, encoding/json of Go; k8s.io/apimachinery pkg/runtime/serializer/json.
import { cloneJSON } from "../meta/json.js";
import { canonicalQuantity } from "../quantity/quantity.js";
import { SchemaError } from "./errors.js";
import { canonicalBase64, canonicalMicroTime, canonicalTime, formatDurationNs, parseDurationNs } from "./scalar-text.js";
import type { FieldSchema, MapSchema, ScalarSchema, Schema, StructSchema } from "./types.js";
import { isZero, setKey, sortedKeys, zeroOf } from "./values.js";

export interface DecodeOptions {
  /** Collect the paths of fields the schema does not know. Default false. */
  readonly unknownFields?: boolean;
  /** Fill in declared defaults. Default false. */
  readonly defaults?: boolean;
}

export interface Decoded {
  readonly object: Record<string, unknown>;
  /** `unknown field "spec.foo"`, in the order met, at most 100. Empty unless asked for. */
  readonly strictErrors: readonly string[];
}

/** Nesting beyond this is refused; upstream's parser stops at the same depth. */
const depthMax = 10_000;
const strictErrorsMax = 100;

/** Throws SchemaError TYPE_MISMATCH. `value` is JSON data; null and absent fields count as unset. */
export function decode(schema: StructSchema, value: unknown, options: DecodeOptions = {}): Decoded {
  const pass = new DecodePass(options.unknownFields === true, options.defaults === true);
  const object = pass.struct(schema, value);
  return { object, strictErrors: pass.strictErrors };
}

type JSONRecord = Readonly<Record<string, unknown>>;

class DecodePass {
  readonly strictErrors: string[] = [];
  /** Field names and list positions from the root to the value at hand. */
  readonly #path: (string | number)[] = [];
  #owner: StructSchema | undefined;

  constructor(
    private readonly collectUnknown: boolean,
    private readonly fillDefaults: boolean,
  ) {}

  struct(schema: StructSchema, value: unknown): Record<string, unknown> {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.#mismatch(schema, value);
    const input = value as JSONRecord;
    const out: Record<string, unknown> = {};
    const outerOwner = this.#owner;
    let known = schema.typeMeta ? this.#typeMeta(schema, input, out) : 0;
    if (this.#path.length > depthMax) throw new SchemaError("TOO_DEEP", "exceeded max depth");
    for (const field of schema.fields) {
      const given = input[field.name];
      if (given !== undefined) {
        known++;
        this.#owner = schema;
        this.#path.push(field.name);
        if (given !== null) this.#field(field, given, out);
        else this.#absent(field, out);
        this.#path.pop();
      } else {
        this.#absent(field, out);
      }
    }
    this.#owner = outerOwner;
    if (this.collectUnknown || schema.preserveUnknown) this.#rest(schema, input, known, out);
    return out;
  }

  #typeMeta(schema: StructSchema, input: JSONRecord, out: Record<string, unknown>): number {
    let known = 0;
    for (const name of typeMetaFields) {
      const given = input[name];
      if (given === undefined) continue;
      known++;
      if (given === null || given === "") continue;
      if (typeof given !== "string") {
        this.#owner = schema;
        this.#path.push(name);
        throw this.#mismatchOf("string", given);
      }
      out[name] = given;
    }
    return known;
  }

  #field(field: FieldSchema, given: unknown, out: Record<string, unknown>): void {
    let result = this.value(field.schema, given);
    const isUnset = field.presence !== "given" && field.presence !== "or-null" && isZero(field.schema, result);
    if (isUnset) {
      if (this.fillDefaults && field.default !== undefined) result = cloneJSON(field.default);
      if (field.presence === "non-zero" && isZero(field.schema, result)) return;
    }
    setKey(out, field.name, result);
  }

  #absent(field: FieldSchema, out: Record<string, unknown>): void {
    if (this.fillDefaults && field.default !== undefined) {
      if (field.presence === "non-zero" && isZero(field.schema, field.default)) return;
      setKey(out, field.name, cloneJSON(field.default));
    } else if (field.presence === "always") {
      // A struct's own `always` fields and defaults show even when the struct was left out.
      setKey(out, field.name, field.schema.type === "struct" ? this.struct(field.schema, emptyObject) : zeroOf(field.schema));
    } else if (field.presence === "or-null") {
      setKey(out, field.name, null);
    }
  }

  /** `value` is neither null nor undefined. */
  value(schema: Schema, value: unknown): unknown {
    switch (schema.type) {
      case "struct":
        return this.struct(schema, value);
      case "list": {
        if (!Array.isArray(value)) throw this.#mismatch(schema, value);
        const { items } = schema;
        const out: unknown[] = new Array(value.length);
        for (let i = 0; i < value.length; i++) {
          this.#path.push(i);
          out[i] = value[i] === null ? this.#zeroElement(items) : this.value(items, value[i]);
          this.#path.pop();
        }
        return out;
      }
      case "map":
        return this.#map(schema, value);
      default:
        return this.#scalar(schema, value);
    }
  }

  #map(schema: MapSchema, value: unknown): Record<string, unknown> {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.#mismatch(schema, value);
    const out: Record<string, unknown> = {};
    for (const key of sortedKeys(value)) {
      const element = (value as JSONRecord)[key];
      this.#path.push(`.${key}`);
      setKey(out, key, element === null ? this.#zeroElement(schema.values) : this.value(schema.values, element));
      this.#path.pop();
    }
    return out;
  }

  #zeroElement(schema: Schema): unknown {
    return schema.type === "struct" ? this.struct(schema, emptyObject) : zeroOf(schema);
  }

  #scalar(schema: ScalarSchema, value: unknown): unknown {
    switch (schema.type) {
      case "string":
        if (typeof value !== "string") throw this.#mismatch(schema, value);
        return value;
      case "bool":
        if (typeof value !== "boolean") throw this.#mismatch(schema, value);
        return value;
      case "int32":
        return this.#integer(schema, value, -0x80000000, 0x7fffffff);
      case "int64":
        return this.#integer(schema, value, -(2 ** 63), 2 ** 63 - 1024);
      case "double":
        if (typeof value !== "number") throw this.#mismatch(schema, value);
        return value;
      case "int-or-string":
        if (typeof value === "string") return value;
        return this.#integer(int32Schema, value, -0x80000000, 0x7fffffff);
      case "quantity":
        if (typeof value !== "string" && typeof value !== "number") throw new SchemaError("TYPE_MISMATCH", quantityFormat);
        return quantityText(value);
      case "bytes":
        return canonicalBase64(this.#text(schema, value));
      case "time":
        return canonicalTime(this.#text(stringSchema, value));
      case "micro-time":
        return canonicalMicroTime(this.#text(stringSchema, value));
      case "duration":
        return formatDurationNs(parseDurationNs(this.#text(stringSchema, value)));
      case "raw":
      case "json":
      case "fields":
        return value;
      case "schema-or-bool":
      case "schema-or-array":
      case "schema-or-strings":
        return this.#schemaForm(schema, value);
    }
  }

  #schemaForm(schema: ScalarSchema, value: unknown): unknown {
    const nested = schema.nested as StructSchema;
    if (schema.type === "schema-or-bool" && typeof value === "boolean") return value;
    if (schema.type === "schema-or-array" && Array.isArray(value)) return value.map((element) => this.struct(nested, element));
    if (schema.type === "schema-or-strings" && Array.isArray(value)) return value.map((element) => this.#text(stringSchema, element));
    if (schema.type === "schema-or-bool" && (typeof value !== "object" || Array.isArray(value))) {
      throw new SchemaError("TYPE_MISMATCH", "boolean or JSON schema expected");
    }
    return this.struct(nested, value);
  }

  #text(schema: ScalarSchema, value: unknown): string {
    if (typeof value !== "string") throw this.#mismatch(schema, value);
    return value;
  }

  #integer(schema: ScalarSchema, value: unknown, min: number, max: number): number {
    if (typeof value !== "number") throw this.#mismatch(schema, value);
    if (!Number.isInteger(value) || value < min || value > max) throw this.#mismatchOf(schema.goType, value, `number ${value}`);
    return value === 0 ? 0 : value; // no -0
  }

  #rest(schema: StructSchema, input: JSONRecord, known: number, out: Record<string, unknown>): void {
    let total = 0;
    for (const _ in input) total++;
    if (total === known) return;
    for (const key of Object.keys(input)) {
      if (schema.byName.has(key) || (schema.typeMeta && typeMetaFields.includes(key))) continue;
      if (schema.preserveUnknown) setKey(out, key, input[key]);
      else if (this.strictErrors.length < strictErrorsMax) this.#noteUnknown(key);
    }
  }

  #noteUnknown(key: string): void {
    const text = `unknown field ${JSON.stringify(strictPath([...this.#path, key]))}`;
    if (!this.strictErrors.includes(text)) this.strictErrors.push(text);
  }

  #mismatch(schema: Schema, value: unknown): SchemaError {
    return this.#mismatchOf(schema.goType, value);
  }

  #mismatchOf(goType: string, value: unknown, shown: string = jsonTypeName(value)): SchemaError {
    // List positions and map keys are not part of upstream's field path.
    const path = this.#path.filter((step): step is string => typeof step === "string" && !step.startsWith("."));
    const where =
      this.#owner === undefined
        ? `Go value of type ${goType}`
        : `Go struct field ${this.#owner.goName}.${path.join(".")} of type ${goType}`;
    return new SchemaError("TYPE_MISMATCH", `json: cannot unmarshal ${shown} into ${where}`);
  }
}

const typeMetaFields: readonly string[] = ["kind", "apiVersion"];
const emptyObject: JSONRecord = Object.freeze({});
const stringSchema: ScalarSchema = { type: "string", goType: "string", name: undefined, strings: undefined, nested: undefined };
const int32Schema: ScalarSchema = { type: "int32", goType: "int32", name: undefined, strings: undefined, nested: undefined };

/** Path steps as strict errors show them: `spec.containers[0].image`. Map keys come with a leading dot of their own. */
export function strictPath(path: readonly (string | number)[]): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (step.startsWith(".") && step.length > 1) text += text === "" ? step.slice(1) : step;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

function jsonTypeName(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return typeof value === "object" ? "object" : typeof value;
}

const quantityFormat = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** Clusters use few distinct quantities, and canonical forms are pure: a small memo saves most of the big-integer work. */
const quantityMemo = new Map<string, string>();
const quantityMemoMax = 2048;

export function quantityText(value: string | number): string {
  const text = String(value);
  const known = quantityMemo.get(text);
  if (known !== undefined) return known;
  let canonical: string;
  try {
    canonical = canonicalQuantity(text);
  } catch (error) {
    throw new SchemaError("TYPE_MISMATCH", error instanceof Error ? error.message : String(error), { cause: error });
  }
  if (quantityMemo.size >= quantityMemoMax) quantityMemo.clear();
  quantityMemo.set(text, canonical);
  return canonical;
}
