// The codec of the handlers on the schemas of the built-in kinds (and of those added at run time).
import { createRequire } from "node:module";
import {
  formatAPIVersion,
  type GroupVersionKind,
  type KubernetesObject,
  newBadRequest,
  newInternalError,
  type PatchSchema,
  parseAPIVersion,
} from "@lenj/apimachinery";
import {
  type Decoded,
  decode,
  decodeJSON,
  decodeProtobuf,
  encodeProtobuf,
  isEnvelope,
  isSchemaError,
  patchSchemaOf,
  readEnvelope,
  SchemaError,
  type SchemaRegistry,
  type StructSchema,
} from "@lenj/apimachinery/schema";
import type { DecodedObject, ObjectCodec } from "../core/codec.js";
import type { BodyEncoding } from "../core/media-type.js";

export type StorageMediaType = "application/json" | "application/vnd.kubernetes.protobuf";

const requireNow = createRequire(import.meta.url);

export class SchemaCodec implements ObjectCodec {
  readonly #schemas: SchemaRegistry;
  readonly #storageMediaType: StorageMediaType;
  /** Imperative defaults of a kind, run after the declared ones. */
  readonly #defaultsOf: (kind: GroupVersionKind) => ((object: KubernetesObject) => void) | undefined;

  constructor(options: {
    schemas: SchemaRegistry;
    storageMediaType: StorageMediaType;
    defaultsOf: (kind: GroupVersionKind) => ((object: KubernetesObject) => void) | undefined;
  }) {
    this.#schemas = options.schemas;
    this.#storageMediaType = options.storageMediaType;
    this.#defaultsOf = options.defaultsOf;
  }

  decode(bytes: Uint8Array, encoding: BodyEncoding, kind: GroupVersionKind): DecodedObject {
    if (encoding === "protobuf") return this.#decodeProtobuf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), kind);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
    if (encoding === "yaml") return this.#decoded(kind, parseYAML(text, kind), (schema, data) => decode(schema, data, strict));
    return this.#decoded(kind, undefined, (schema) => decodeJSON(schema, text, strict));
  }

  normalize(data: KubernetesObject, kind: GroupVersionKind): DecodedObject {
    const schema = this.#schemaOf(kind);
    const { object, strictErrors } = decode(schema, data, strict);
    return this.#finished(object, kind, strictErrors);
  }

  patchSchema(kind: GroupVersionKind): PatchSchema | undefined {
    const schema = this.#schemas.kind(kind);
    return schema === undefined || !schema.hasProtobuf ? undefined : patchSchemaOf(schema);
  }

  hasProtobuf(kind: GroupVersionKind): boolean {
    return this.#schemas.kind(kind)?.hasProtobuf === true;
  }

  encodeProtobuf(object: KubernetesObject, kind: GroupVersionKind): Uint8Array {
    const named = { ...object, kind: kind.kind, apiVersion: formatAPIVersion(kind.group, kind.version) };
    return encodeProtobuf(this.#schemaOf(kind), named as unknown as Record<string, unknown>);
  }

  encodeStored(object: KubernetesObject, kind: GroupVersionKind): Uint8Array {
    const { resourceVersion: _resourceVersion, selfLink: _selfLink, ...metadata } = object.metadata ?? {};
    const named: KubernetesObject = {
      kind: kind.kind,
      apiVersion: formatAPIVersion(kind.group, kind.version),
      ...withoutKind(object),
      metadata,
    };
    if (this.#storageMediaType === "application/json" || !this.hasProtobuf(kind)) return Buffer.from(JSON.stringify(named));
    return this.encodeProtobuf(named, kind);
  }

  decodeStored(bytes: Uint8Array): KubernetesObject {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (isEnvelope(buffer)) return decodeProtobuf(this.#schemas, buffer) as KubernetesObject;
    const object = JSON.parse(buffer.toString("utf8")) as KubernetesObject;
    const kind = { ...parseAPIVersion(object.apiVersion ?? ""), kind: object.kind ?? "" };
    const schema = this.#schemas.kind(kind);
    return schema === undefined ? object : (decode(schema, object).object as KubernetesObject);
  }

  #decoded(kind: GroupVersionKind, data: unknown, read: (schema: StructSchema, data: unknown) => Decoded): DecodedObject {
    const schema = this.#schemaOf(kind);
    let decoded: Decoded;
    try {
      decoded = read(schema, data);
    } catch (error) {
      if (!isSchemaError(error)) throw error;
      if (error.code === "MALFORMED_JSON")
        throw newBadRequest(
          `the object provided is unrecognized (must be of type ${kind.kind}): couldn't get version/kind; json parse error: ${error.message}`,
        );
      throw cannotBeHandled(kind, kind, error.message);
    }
    checkKind(decoded.object as KubernetesObject, kind);
    return this.#finished(decoded.object, kind, decoded.strictErrors);
  }

  #decodeProtobuf(bytes: Buffer, kind: GroupVersionKind): DecodedObject {
    try {
      const envelope = readEnvelope(bytes);
      checkKind(
        { ...(envelope.apiVersion !== "" && { apiVersion: envelope.apiVersion }), ...(envelope.kind !== "" && { kind: envelope.kind }) },
        kind,
      );
      const object = decodeProtobuf(this.#schemas, bytes, kind);
      // The binary form knows no declared defaults, so it goes through the same pass as JSON.
      return this.#finished(decode(this.#schemaOf(kind), object, { defaults: true }).object, kind, []);
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      throw newBadRequest(`the object provided is unrecognized (must be of type ${kind.kind}): ${error.message}`);
    }
  }

  #finished(object: Record<string, unknown>, kind: GroupVersionKind, strictProblems: readonly string[]): DecodedObject {
    const named = object as KubernetesObject;
    named.kind = kind.kind;
    named.apiVersion = formatAPIVersion(kind.group, kind.version);
    this.#defaultsOf(kind)?.(named);
    return { object: named, strictProblems };
  }

  #schemaOf(kind: GroupVersionKind): StructSchema {
    const schema =
      this.#schemas.kind(kind) ??
      (kind.kind === "DeleteOptions" ? (this.#schemas.type(deleteOptionsType) as StructSchema | undefined) : undefined);
    if (schema === undefined)
      throw newInternalError(new Error(`no schema for ${formatAPIVersion(kind.group, kind.version)}, Kind=${kind.kind}`));
    return schema;
  }
}

const strict = { unknownFields: true, defaults: true } as const;
const deleteOptionsType = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

function withoutKind(object: KubernetesObject): KubernetesObject {
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
  return rest;
}

/** Options are spoken in every group's version; eviction in two. */
const freeOfVersion: ReadonlySet<string> = new Set(["DeleteOptions", "Eviction"]);

function checkKind(found: Pick<KubernetesObject, "apiVersion" | "kind">, expected: GroupVersionKind): void {
  if (freeOfVersion.has(expected.kind)) return;
  const apiVersion = formatAPIVersion(expected.group, expected.version);
  if (found.apiVersion !== undefined && found.apiVersion !== "" && found.apiVersion !== apiVersion) {
    throw newBadRequest(`the API version in the data (${found.apiVersion}) does not match the expected API version (${apiVersion})`);
  }
  if (found.kind !== undefined && found.kind !== "" && found.kind !== expected.kind) {
    throw cannotBeHandled(
      { ...expected, kind: found.kind },
      expected,
      `the kind in the data (${found.kind}) does not match the expected kind (${expected.kind})`,
    );
  }
}

function cannotBeHandled(found: GroupVersionKind, expected: GroupVersionKind, why: string): Error {
  return newBadRequest(`${found.kind} in version ${JSON.stringify(found.version)} cannot be handled as a ${expected.kind}: ${why}`);
}

function parseYAML(text: string, kind: GroupVersionKind): unknown {
  // Few clients send YAML, so its parser is loaded by the first that does.
  const { parse } = requireNow("yaml") as typeof import("yaml");
  try {
    return parse(text);
  } catch (error) {
    throw newBadRequest(
      `the object provided is unrecognized (must be of type ${kind.kind}): couldn't get version/kind; yaml: ${(error as Error).message}`,
    );
  }
}
