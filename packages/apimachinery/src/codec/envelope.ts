// The Kubernetes protobuf body: magic bytes, then runtime.Unknown {1 typeMeta {1 apiVersion, 2 kind}, 2 raw, 3 contentEncoding,
// 4 contentType}. Messages themselves never carry apiVersion and kind.
// Source: k8s.io/apimachinery pkg/runtime/serializer/protobuf.
import { formatAPIVersion, type GroupVersionKind, parseAPIVersion } from "../meta/object.js";
import { SchemaError } from "../schema/errors.js";
import type { SchemaRegistry, StructSchema } from "../schema/types.js";
import { envelopeMagic, isEnvelope } from "./envelope-magic.js";
import { decodeMessage } from "./protobuf-decode.js";
import { writeStruct } from "./protobuf-encode.js";
import { WireReader } from "./wire-reader.js";
import { WireWriter } from "./wire-writer.js";

export interface Envelope {
  /** Empty when the sender left them out. */
  readonly apiVersion: string;
  readonly kind: string;
  /** The message, a view of the input. */
  readonly raw: Buffer;
  readonly contentEncoding: string;
  readonly contentType: string;
}

const writer = new WireWriter();

/** A body of the object's own kind. `schema` describes the object; apiVersion and kind come from it, else from the schema. */
export function encodeProtobuf(schema: StructSchema, object: Readonly<Record<string, unknown>>): Buffer {
  const { gvk } = schema;
  const apiVersion = (object["apiVersion"] as string | undefined) ?? (gvk === undefined ? "" : formatAPIVersion(gvk.group, gvk.version));
  const kind = (object["kind"] as string | undefined) ?? gvk?.kind ?? "";
  writer.reset();
  // From the end: contentType and contentEncoding are empty but written, as upstream does.
  for (const number of [4, 3]) {
    writer.varint(0);
    writer.tag(number, 2);
  }
  let before = writer.length;
  writeStruct(writer, schema, object);
  writer.wrap(2, before);
  const outer = writer.length;
  for (const [number, text] of [
    [2, kind],
    [1, apiVersion],
  ] as const) {
    before = writer.length;
    writer.text(text);
    writer.wrap(number, before);
  }
  writer.wrap(1, outer);
  writer.raw(envelopeMagic);
  return writer.finish();
}

/** Reads the envelope only. Throws SchemaError MALFORMED_PROTOBUF when the magic bytes are missing. */
export function readEnvelope(bytes: Buffer): Envelope {
  if (!isEnvelope(bytes)) {
    throw new SchemaError(
      "MALFORMED_PROTOBUF",
      `provided data does not appear to be a protobuf message, expected prefix [${[...envelopeMagic].join(" ")}]`,
    );
  }
  const reader = new WireReader(bytes, envelopeMagic.length);
  const found = { apiVersion: "", kind: "", raw: Buffer.alloc(0) as Buffer, contentEncoding: "", contentType: "" };
  while (!reader.done) {
    const tag = reader.uint32();
    if (tag === 0x0a) {
      const outer = reader.enter();
      while (!reader.done) {
        const inner = reader.uint32();
        if (inner === 0x0a) found.apiVersion = reader.text();
        else if (inner === 0x12) found.kind = reader.text();
        else reader.skip(inner & 7);
      }
      reader.leave(outer);
    } else if (tag === 0x12) found.raw = reader.raw();
    else if (tag === 0x1a) found.contentEncoding = reader.text();
    else if (tag === 0x22) found.contentType = reader.text();
    else reader.skip(tag & 7);
  }
  return found;
}

/**
 * Reads a whole body in normal JSON form, with apiVersion and kind where the envelope has them. `fallback` is the kind expected
 * when the envelope names none. Embedded objects that come as bodies of their own are read the same way.
 * Throws SchemaError MALFORMED_PROTOBUF, UNKNOWN_KIND.
 */
export function decodeProtobuf(registry: SchemaRegistry, bytes: Buffer, fallback?: GroupVersionKind): Record<string, unknown> {
  const envelope = readEnvelope(bytes);
  const gvk = envelope.kind === "" && fallback !== undefined ? fallback : { ...parseAPIVersion(envelope.apiVersion), kind: envelope.kind };
  const schema = registry.kind(gvk);
  if (schema === undefined) {
    const where = formatAPIVersion(gvk.group, gvk.version);
    throw new SchemaError("UNKNOWN_KIND", `no kind ${JSON.stringify(gvk.kind)} is registered for version ${JSON.stringify(where)}`);
  }
  const body = decodeMessage(schema, envelope.raw, (embedded) => decodeProtobuf(registry, embedded));
  const head: Record<string, unknown> = {};
  if (envelope.kind !== "") head["kind"] = envelope.kind;
  if (envelope.apiVersion !== "") head["apiVersion"] = envelope.apiVersion;
  return Object.assign(head, body);
}
