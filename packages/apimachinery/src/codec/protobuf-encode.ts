// JSON form -> protobuf message, byte for byte as upstream's encoder writes it.
//
// P1. Fields rise by number; map entries are sorted by key.
// P2. What upstream holds by value is written even when zero; what it holds by pointer only when present.
// P3. The input is in normal form (decode.ts); anything else fails loudly or encodes what is there.
// Source: generated.pb.go of k8s.io/api; gogo/protobuf.
import { SchemaError } from "../schema/errors.js";
import { parseDurationNs, parseMicroTime, parseTime } from "../schema/scalar-text.js";
import type { FieldSchema, ListSchema, MapSchema, ScalarSchema, Schema, StructSchema } from "../schema/types.js";
import { sortedKeys } from "../schema/values.js";
import { WireWriter } from "./wire-writer.js";

/** One writer is enough: encoding is synchronous and never re-entered. */
const shared = new WireWriter();

/** The message without envelope. Throws SchemaError NO_PROTOBUF for types that have no such encoding. */
export function encodeMessage(schema: StructSchema, value: Readonly<Record<string, unknown>>): Buffer {
  shared.reset();
  writeStruct(shared, schema, value);
  return shared.finish();
}

type JSONRecord = Readonly<Record<string, unknown>>;

const emptyObject: JSONRecord = Object.freeze({});

export function writeStruct(writer: WireWriter, schema: StructSchema, value: JSONRecord): void {
  if (!schema.hasProtobuf)
    throw new SchemaError("NO_PROTOBUF", `object ${schema.goType} does not implement the protobuf marshalling interface`);
  const { wire } = schema;
  for (let i = wire.length - 1; i >= 0; i--) {
    const entry = wire[i];
    if (entry === undefined) continue;
    if (entry.inline !== undefined) {
      const before = writer.length;
      writeStruct(writer, entry.inline, value);
      writer.wrap(entry.number, before);
    } else {
      writeField(writer, entry.number, entry.field, value[entry.field.name]);
    }
  }
}

function writeField(writer: WireWriter, number: number, field: FieldSchema, value: unknown): void {
  const { schema } = field;
  if (schema.type === "list") return writeList(writer, number, schema, value);
  if (schema.type === "map") return writeMap(writer, number, schema, value);
  if (value === undefined || value === null) {
    const isPointer = field.presence === "given" || field.presence === "or-null";
    if (isPointer || schema.type === "bytes") return;
  }
  writeValue(writer, number, schema, value);
}

function writeList(writer: WireWriter, number: number, schema: ListSchema, value: unknown): void {
  const elements = (value ?? []) as readonly unknown[];
  if (schema.wrapped) {
    const before = writer.length;
    for (let i = elements.length - 1; i >= 0; i--) writeValue(writer, 1, schema.items, elements[i]);
    writer.wrap(number, before);
    return;
  }
  for (let i = elements.length - 1; i >= 0; i--) writeValue(writer, number, schema.items, elements[i]);
}

function writeMap(writer: WireWriter, number: number, schema: MapSchema, value: unknown): void {
  if (value === undefined || value === null) return;
  const keys = sortedKeys(value);
  for (let i = keys.length - 1; i >= 0; i--) {
    const key = keys[i] as string;
    const before = writer.length;
    const element = (value as JSONRecord)[key];
    if (schema.values.type === "list") writeList(writer, 2, schema.values, element);
    else writeValue(writer, 2, schema.values, element);
    writeText(writer, 1, key);
    writer.wrap(number, before);
  }
}

/** A single value with its tag; undefined and null stand for the zero value. */
function writeValue(writer: WireWriter, number: number, schema: Schema, value: unknown): void {
  switch (schema.type) {
    case "struct": {
      const before = writer.length;
      writeStruct(writer, schema, (value ?? emptyObject) as JSONRecord);
      writer.wrap(number, before);
      return;
    }
    case "string":
      return writeText(writer, number, (value ?? "") as string);
    case "bool":
      writer.varint(value === true ? 1 : 0);
      return writer.tag(number, 0);
    case "int32":
    case "int64":
      writer.int64((value ?? 0) as number);
      return writer.tag(number, 0);
    case "double":
      writer.double((value ?? 0) as number);
      return writer.tag(number, 1);
    case "bytes": {
      const before = writer.length;
      writer.base64((value ?? "") as string);
      return writer.wrap(number, before);
    }
    case "list":
    case "map":
      throw new SchemaError("NO_PROTOBUF", `${schema.goType} cannot be nested directly`);
    default: {
      const before = writer.length;
      writeForm(writer, schema, value);
      return writer.wrap(number, before);
    }
  }
}

function writeText(writer: WireWriter, number: number, value: string): void {
  const before = writer.length;
  writer.text(value);
  writer.wrap(number, before);
}

function writeNumber(writer: WireWriter, number: number, value: number): void {
  writer.int64(value);
  writer.tag(number, 0);
}

/** The body of a message whose JSON form is not an object of its fields. */
function writeForm(writer: WireWriter, schema: ScalarSchema, value: unknown): void {
  switch (schema.type) {
    case "time":
    case "micro-time": {
      if (value === undefined || value === null) return; // an empty message is the zero time
      const { seconds, micros } = schema.type === "time" ? parseTime(value as string) : parseMicroTime(value as string);
      writeNumber(writer, 2, schema.type === "time" ? 0 : micros * 1000);
      return writeNumber(writer, 1, seconds);
    }
    case "quantity":
      return writeText(writer, 1, String(value ?? "0"));
    case "int-or-string":
      writeText(writer, 3, typeof value === "string" ? value : "");
      writeNumber(writer, 2, typeof value === "number" ? value : 0);
      return writeNumber(writer, 1, typeof value === "string" ? 1 : 0);
    case "duration":
      writer.bigint(BigInt.asUintN(64, parseDurationNs((value ?? "0s") as string)));
      return writer.tag(1, 0);
    case "raw":
    case "json":
    case "fields":
      if (value === undefined || (value === null && schema.type !== "json")) return;
      return writeText(writer, 1, JSON.stringify(value));
    default:
      return writeSchemaForm(writer, schema, value);
  }
}

function writeSchemaForm(writer: WireWriter, schema: ScalarSchema, value: unknown): void {
  const nested = schema.nested as StructSchema;
  if (Array.isArray(value)) {
    for (let i = value.length - 1; i >= 0; i--) {
      writeValue(writer, 2, schema.type === "schema-or-strings" ? stringSchema : nested, value[i]);
    }
    return;
  }
  const isSchema = typeof value === "object" && value !== null;
  if (isSchema) writeValue(writer, schema.type === "schema-or-bool" ? 2 : 1, nested, value);
  if (schema.type === "schema-or-bool") {
    writer.varint(isSchema || value === true ? 1 : 0);
    writer.tag(1, 0);
  }
}

const stringSchema: ScalarSchema = { type: "string", goType: "string", name: undefined, strings: undefined, nested: undefined };
