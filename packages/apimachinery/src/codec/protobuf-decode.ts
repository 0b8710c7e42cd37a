// Protobuf message -> JSON form, normal like decode.ts makes it: same order of fields, same zero-value rules.
//
// Unknown field numbers are skipped, whatever the request says about strictness: protobuf has no such notion.
// Source: generated.pb.go of k8s.io/api; k8s.io/apimachinery pkg/runtime/serializer/protobuf.

import { quantityText } from "../schema/decode.js";
import { SchemaError } from "../schema/errors.js";
import { formatDurationNs, formatMicros, formatSeconds } from "../schema/scalar-text.js";
import type { FieldSchema, ListSchema, MapSchema, ScalarSchema, Schema, StructSchema, WireField } from "../schema/types.js";
import { isZero, setKey, sortedKeys, zeroOf } from "../schema/values.js";
import { isEnvelope } from "./envelope-magic.js";
import { malformed, WireReader } from "./wire-reader.js";

/** Turns the bytes of an embedded object into its JSON form; called for bytes that carry the envelope. */
export type EmbeddedDecoder = (bytes: Buffer) => unknown;

/** Messages nested deeper than this are refused. */
const depthMax = 200;

/** Throws SchemaError MALFORMED_PROTOBUF, and NO_PROTOBUF for types without such an encoding. */
export function decodeMessage(schema: StructSchema, bytes: Buffer, embedded?: EmbeddedDecoder): Record<string, unknown> {
  const pass = new MessagePass(new WireReader(bytes), embedded);
  return pass.struct(schema);
}

const numberTables = new WeakMap<StructSchema, readonly (WireField | undefined)[]>();

/** Wire fields by number; numbers are small, so an array serves. */
function byNumber(schema: StructSchema): readonly (WireField | undefined)[] {
  let table = numberTables.get(schema);
  if (table === undefined) {
    const fresh: (WireField | undefined)[] = new Array((schema.wire.at(-1)?.number ?? 0) + 1).fill(undefined);
    for (const entry of schema.wire) fresh[entry.number] = entry;
    numberTables.set(schema, fresh);
    table = fresh;
  }
  return table;
}

class MessagePass {
  #depth = 0;

  constructor(
    private readonly reader: WireReader,
    private readonly embedded: EmbeddedDecoder | undefined,
  ) {}

  /** Reads to the end of the reader's current range. */
  struct(schema: StructSchema): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    this.#fields(schema, found);
    return normalStruct(schema, found);
  }

  #fields(schema: StructSchema, found: Record<string, unknown>): void {
    if (!schema.hasProtobuf)
      throw new SchemaError("NO_PROTOBUF", `object ${schema.goType} does not implement the protobuf unmarshalling interface`);
    if (++this.#depth > depthMax) throw new SchemaError("TOO_DEEP", "proto: exceeded max depth");
    const table = byNumber(schema);
    const { reader } = this;
    while (!reader.done) {
      const tag = reader.uint32();
      const entry = table[tag >>> 3];
      const wireType = tag & 7;
      if (tag >>> 3 === 0) throw malformed(`proto: ${schema.goName}: illegal tag 0 (wire type ${wireType})`);
      if (entry === undefined) {
        reader.skip(wireType);
      } else if (entry.inline !== undefined) {
        this.#expect(wireType, 2, schema, "");
        const outer = reader.enter();
        this.#fields(entry.inline, found);
        reader.leave(outer);
      } else {
        this.#field(schema, entry.field, wireType, found);
      }
    }
    this.#depth--;
  }

  #field(owner: StructSchema, field: FieldSchema, wireType: number, found: Record<string, unknown>): void {
    const { schema, name } = field;
    if (schema.type === "list" && !schema.wrapped) {
      const list = (found[name] ??= []) as unknown[];
      this.#element(owner, field, schema, wireType, list);
      return;
    }
    if (schema.type === "map") {
      this.#expect(wireType, 2, owner, name);
      this.#entry(schema, (found[name] ??= {}) as Record<string, unknown>);
      return;
    }
    this.#expect(wireType, wireTypeOf(schema), owner, name);
    found[name] = this.#value(schema);
  }

  #element(owner: StructSchema, field: FieldSchema, schema: ListSchema, wireType: number, list: unknown[]): void {
    const natural = wireTypeOf(schema.items);
    if (wireType === 2 && natural !== 2) {
      const outer = this.reader.enter(); // packed
      while (!this.reader.done) list.push(this.#value(schema.items));
      this.reader.leave(outer);
      return;
    }
    this.#expect(wireType, natural, owner, field.name);
    list.push(this.#value(schema.items));
  }

  #entry(schema: MapSchema, map: Record<string, unknown>): void {
    const { reader } = this;
    const outer = reader.enter();
    let key = "";
    let value: unknown;
    while (!reader.done) {
      const tag = reader.uint32();
      if (tag === 0x0a) key = reader.text();
      else if (tag >>> 3 === 2 && (tag & 7) === wireTypeOf(schema.values)) value = this.#value(schema.values);
      else reader.skip(tag & 7);
    }
    reader.leave(outer);
    setKey(map, key, value === undefined ? zeroOf(schema.values) : value);
  }

  #value(schema: Schema): unknown {
    const { reader } = this;
    switch (schema.type) {
      case "string":
        return reader.text();
      case "bool":
        return reader.int64() !== 0;
      case "int32":
        return reader.int32();
      case "int64":
        return reader.int64();
      case "double":
        return reader.double();
      case "bytes":
        return reader.raw().toString("base64");
      case "map":
        throw malformed(`proto: ${schema.goType} cannot be nested directly`);
      default: {
        const outer = reader.enter();
        const value = schema.type === "struct" ? this.struct(schema) : schema.type === "list" ? this.#wrapped(schema) : this.#form(schema);
        reader.leave(outer);
        return value;
      }
    }
  }

  #wrapped(schema: ListSchema): unknown[] {
    const list: unknown[] = [];
    this.#each((number) => {
      if (number !== 1) return false;
      list.push(this.#value(schema.items));
      return true;
    });
    return list;
  }

  #form(schema: ScalarSchema): unknown {
    switch (schema.type) {
      case "time":
      case "micro-time":
        return this.#time(schema.type);
      case "quantity": {
        let text = "0";
        this.#each((number) => number === 1 && ((text = this.reader.text()), true));
        return quantityText(text === "" ? "0" : text);
      }
      case "int-or-string":
        return this.#intOrString();
      case "duration": {
        let nanoseconds = 0n;
        this.#each((number) => number === 1 && ((nanoseconds = this.reader.bigint()), true));
        return formatDurationNs(nanoseconds);
      }
      case "raw":
      case "json":
      case "fields":
        return this.#raw(schema);
      default:
        return this.#schemaForm(schema);
    }
  }

  #time(type: "time" | "micro-time"): string | null {
    let seconds: number | undefined;
    let nanos = 0;
    this.#each((number) => {
      if (number === 1) seconds = this.reader.int64();
      else if (number === 2) nanos = this.reader.int32();
      else return false;
      return true;
    });
    if (seconds === undefined) return null;
    return type === "time" ? formatSeconds(seconds) : formatMicros(seconds, Math.trunc(nanos / 1000));
  }

  #intOrString(): number | string {
    let type = 0;
    let number = 0;
    let text = "";
    this.#each((field) => {
      if (field === 1) type = this.reader.int64();
      else if (field === 2) number = this.reader.int32();
      else if (field === 3) text = this.reader.text();
      else return false;
      return true;
    });
    return type === 1 ? text : number;
  }

  #raw(schema: ScalarSchema): unknown {
    let bytes: Buffer | undefined;
    this.#each((number) => number === 1 && ((bytes = this.reader.raw()), true));
    if (bytes === undefined || bytes.length === 0) return schema.type === "fields" ? {} : null;
    if (this.embedded !== undefined && isEnvelope(bytes)) return this.embedded(bytes);
    try {
      return JSON.parse(bytes.toString("utf8"));
    } catch (error) {
      throw new SchemaError("MALFORMED_JSON", `${schema.goType} holds bytes that are not JSON`, { cause: error });
    }
  }

  #schemaForm(schema: ScalarSchema): unknown {
    const nested = schema.nested as StructSchema;
    let allows = false;
    let single: unknown;
    const list: unknown[] = [];
    const schemaNumber = schema.type === "schema-or-bool" ? 2 : 1;
    this.#each((number) => {
      if (number === schemaNumber) single = this.#value(nested);
      else if (number === 1) allows = this.reader.int64() !== 0;
      else if (number === 2) list.push(schema.type === "schema-or-strings" ? this.reader.text() : this.#value(nested));
      else return false;
      return true;
    });
    if (single !== undefined) return single;
    return schema.type === "schema-or-bool" ? allows : list;
  }

  /** Calls `read` with each field number of the current range; it returns false for fields to skip. */
  #each(read: (number: number) => boolean): void {
    while (!this.reader.done) {
      const tag = this.reader.uint32();
      if (!read(tag >>> 3)) this.reader.skip(tag & 7);
    }
  }

  #expect(wireType: number, expected: number, owner: StructSchema, name: string): void {
    if (wireType !== expected) throw malformed(`proto: wrong wireType = ${wireType} for field ${name === "" ? owner.goName : name}`);
  }
}

function wireTypeOf(schema: Schema): 0 | 1 | 2 {
  switch (schema.type) {
    case "bool":
    case "int32":
    case "int64":
      return 0;
    case "double":
      return 1;
    default:
      return 2;
  }
}

/** Orders the fields found and applies the zero-value rules of the JSON form. */
function normalStruct(schema: StructSchema, found: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const field of schema.fields) {
    let value = found[field.name];
    if (value === undefined) {
      if (field.presence === "always")
        out[field.name] = field.schema.type === "struct" ? normalStruct(field.schema, {}) : zeroOf(field.schema);
      else if (field.presence === "or-null") out[field.name] = null;
      continue;
    }
    if (field.presence === "non-zero" && isZero(field.schema, value)) continue;
    if (field.schema.type === "map") value = sortedMap(value as Record<string, unknown>);
    out[field.name] = value;
  }
  return out;
}

function sortedMap(map: Record<string, unknown>): Record<string, unknown> {
  const keys = Object.keys(map);
  const sorted = sortedKeys(map);
  if (keys.every((key, i) => key === sorted[i])) return map;
  const out: Record<string, unknown> = {};
  for (const key of sorted) setKey(out, key, map[key]);
  return out;
}
