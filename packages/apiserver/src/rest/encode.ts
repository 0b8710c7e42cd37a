// Objects, lists and watch events as bytes, in the form the client negotiated. JSON of a state is made once and kept with it.
import {
  cloneJSON,
  formatAPIVersion,
  type GroupVersionKind,
  type KubernetesObject,
  type ResourceDeclaration,
  type Status,
} from "@lenj/apimachinery";
import type { CachedObject } from "../core/cached-object.js";
import type { ObjectCodec } from "../core/codec.js";
import type { Representation } from "../core/media-type.js";
import { toServed } from "../handlers/served.js";

/** `{"kind":…,"apiVersion":…,` */
function jsonHead(kind: GroupVersionKind): string {
  return `{"kind":${JSON.stringify(kind.kind)},"apiVersion":${JSON.stringify(formatAPIVersion(kind.group, kind.version))}`;
}

/** The JSON of an object in served form. */
export function encodeObjectJSON(object: KubernetesObject, kind: GroupVersionKind): Buffer {
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
  const body = JSON.stringify(rest);
  return Buffer.from(body === "{}" ? `${jsonHead(kind)}}` : `${jsonHead(kind)},${body.slice(1)}`);
}

/** The JSON of a stored state in the declaration's version; made once. */
export function stateJSON(declaration: ResourceDeclaration, state: CachedObject): Buffer {
  return state.encoded(`json/${declaration.gvk.version}/${declaration.gvk.group}`, () =>
    encodeObjectJSON(toServed(declaration, state.object), declaration.gvk),
  );
}

/** The same without kind and apiVersion, as items of built-in lists go. A view where possible. */
function itemJSON(declaration: ResourceDeclaration, state: CachedObject): Buffer[] {
  const whole = stateJSON(declaration, state);
  return [openBrace, whole.subarray(Buffer.byteLength(jsonHead(declaration.gvk)) + 1)];
}

const openBrace = Buffer.from("{");
const comma = Buffer.from(",");

export interface ListMeta {
  readonly resourceVersion: string;
  readonly continue?: string | undefined;
  readonly remainingItemCount?: number | undefined;
}

export function listMetaOf(result: { revision: number; continue: string; remainingItemCount: number | undefined }): ListMeta {
  return {
    resourceVersion: String(result.revision),
    ...(result.continue !== "" && { continue: result.continue }),
    ...(result.continue !== "" && result.remainingItemCount !== undefined && { remainingItemCount: result.remainingItemCount }),
  };
}

export function encodeListJSON(declaration: ResourceDeclaration, states: readonly CachedObject[], meta: ListMeta): Buffer[] {
  const kind = { ...declaration.gvk, kind: declaration.listKind };
  const chunks: Buffer[] = [Buffer.from(`${jsonHead(kind)},"metadata":${JSON.stringify(meta)},"items":[`)];
  states.forEach((state, position) => {
    if (position > 0) chunks.push(comma);
    chunks.push(...itemJSON(declaration, state));
  });
  chunks.push(Buffer.from("]}\n"));
  return chunks;
}

/** Which object, if any, goes along with a table row. */
export type IncludeObject = "None" | "Metadata" | "Object";

export interface TableOptions {
  readonly apiVersion: string;
  readonly includeObject: IncludeObject;
  readonly nowMs: number;
  /** Only the first table of a watch names its columns. */
  readonly omitColumns?: boolean;
}

export function tableOf(
  declaration: ResourceDeclaration,
  objects: readonly KubernetesObject[],
  meta: Partial<ListMeta>,
  options: TableOptions,
): object {
  const { columns, row, conditions } = declaration.table;
  return {
    kind: "Table",
    apiVersion: options.apiVersion,
    metadata: meta,
    columnDefinitions: options.omitColumns === true ? null : columns,
    rows: objects.map((object) => {
      const rowConditions = conditions?.(object) ?? [];
      return {
        cells: row(object, options.nowMs),
        ...(rowConditions.length > 0 && { conditions: rowConditions }),
        object: rowObject(declaration, object, options),
      };
    }),
  };
}

function rowObject(declaration: ResourceDeclaration, object: KubernetesObject, options: TableOptions): unknown {
  switch (options.includeObject) {
    case "None":
      return null;
    case "Object":
      return withKind(declaration.gvk, object);
    case "Metadata":
      return partialMetadata(object, options.apiVersion);
  }
}

export function partialMetadata(object: KubernetesObject, apiVersion: string): object {
  return { kind: "PartialObjectMetadata", apiVersion, metadata: object.metadata ?? {} };
}

export function withKind(kind: GroupVersionKind, object: KubernetesObject): KubernetesObject {
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
  return { kind: kind.kind, apiVersion: formatAPIVersion(kind.group, kind.version), ...rest } as KubernetesObject;
}

/** A document that is neither a stored state nor a list of them: Status, Scale, reviews, tables. */
export async function encodeDocument(
  document: object,
  representation: Pick<Representation, "encoding">,
  isPretty: boolean,
): Promise<Buffer> {
  if (representation.encoding === "yaml") {
    const { stringify } = await import("yaml");
    return Buffer.from(stringify(document));
  }
  return Buffer.from(isPretty ? JSON.stringify(document, null, 2) : `${JSON.stringify(document)}\n`);
}

export function contentTypeOf(representation: Representation): string {
  switch (representation.encoding) {
    case "json":
      return "application/json";
    case "yaml":
      return "application/yaml";
    case "protobuf":
      return "application/vnd.kubernetes.protobuf";
  }
}

/** The protobuf form of a list, from the objects' served forms. */
export function encodeListProtobuf(
  codec: ObjectCodec,
  declaration: ResourceDeclaration,
  states: readonly CachedObject[],
  meta: ListMeta,
): Uint8Array {
  const kind = { ...declaration.gvk, kind: declaration.listKind };
  const list = { metadata: meta, items: states.map((state) => toServed(declaration, state.object)) };
  return codec.encodeProtobuf(list as unknown as KubernetesObject, kind);
}

export function stateProtobuf(codec: ObjectCodec, declaration: ResourceDeclaration, state: CachedObject): Uint8Array {
  return state.encoded(`protobuf/${declaration.gvk.version}/${declaration.gvk.group}`, () =>
    codec.encodeProtobuf(toServed(declaration, state.object), declaration.gvk),
  );
}

/** A Status whose `details` does not share anything with errors that live on. */
export function statusDocument(status: Status): Status {
  return cloneJSON(status);
}
