// Watch events as bytes. The JSON frame of a live event is made once, however many watchers get it.
import { formatAPIVersion, type KubernetesObject, type ResourceDeclaration, type Status } from "@lenj/apimachinery";
import type { ObjectCodec } from "../core/codec.js";
import type { Representation } from "../core/media-type.js";
import type { WatchItem } from "../core/watch-cache.js";
import { toServed } from "../handlers/served.js";
import { type IncludeObject, partialMetadata, stateJSON, stateProtobuf, tableOf, withKind } from "./encode.js";

export interface WatchEncoder {
  readonly contentType: string;
  event(item: WatchItem): Uint8Array;
  error(status: Status): Uint8Array;
}

export interface WatchEncoding {
  readonly declaration: ResourceDeclaration;
  readonly representation: Representation;
  readonly includeObject: IncludeObject;
  readonly codec: ObjectCodec;
  readonly nowMs: () => number;
}

export function createWatchEncoder(encoding: WatchEncoding): WatchEncoder {
  if (encoding.representation.encoding === "protobuf") return protobufEncoder(encoding);
  const toDocument = documentMaker(encoding);
  return {
    contentType: "application/json",
    event: (item) => {
      if (encoding.representation.transform.as === "object") return jsonFrame(encoding.declaration, item);
      return frameOf(item.type, JSON.stringify(toDocument(item)));
    },
    error: (status) => frameOf("ERROR", JSON.stringify(status)),
  };
}

function frameOf(type: string, object: string): Buffer {
  return Buffer.from(`{"type":"${type}","object":${object}}\n`);
}

const frameTail = Buffer.from("}\n");

function jsonFrame(declaration: ResourceDeclaration, item: WatchItem): Uint8Array {
  if (item.type === "BOOKMARK") return frameOf("BOOKMARK", JSON.stringify(bookmarkObject(declaration, item)));
  const make = (): Buffer =>
    Buffer.concat([Buffer.from(`{"type":"${item.type}","object":`), stateJSON(declaration, item.state), frameTail]);
  // Initial events are of one watcher only: keeping their frames would double the cache.
  if (item.event === undefined) return make();
  return item.state.encoded(`frame/${item.type}/${declaration.gvk.version}/${declaration.gvk.group}`, make);
}

export function bookmarkObject(declaration: ResourceDeclaration, item: Extract<WatchItem, { type: "BOOKMARK" }>): KubernetesObject {
  return {
    kind: declaration.gvk.kind,
    apiVersion: formatAPIVersion(declaration.gvk.group, declaration.gvk.version),
    metadata: {
      resourceVersion: String(item.revision),
      creationTimestamp: null,
      ...(item.endsInitialEvents && { annotations: { "k8s.io/initial-events-end": "true" } }),
    },
  };
}

/** Turns an item into the Table or metadata-only document the client asked for. */
function documentMaker({ declaration, representation, includeObject, nowMs }: WatchEncoding): (item: WatchItem) => object {
  const { transform } = representation;
  let isFirst = true;
  return (item) => {
    const object = item.type === "BOOKMARK" ? bookmarkObject(declaration, item) : toServed(declaration, item.state.object);
    switch (transform.as) {
      case "Table": {
        const omitColumns = !isFirst;
        isFirst = false;
        const options = { apiVersion: transform.apiVersion, includeObject, nowMs: nowMs(), omitColumns };
        const table = tableOf(
          declaration,
          item.type === "BOOKMARK" ? [] : [object],
          { resourceVersion: object.metadata?.resourceVersion ?? "" },
          options,
        );
        return item.type === "BOOKMARK" && item.endsInitialEvents ? bookmarkTable(table, object, transform.apiVersion) : table;
      }
      case "object":
        return withKind(declaration.gvk, object);
      default:
        return partialMetadata(object, transform.apiVersion);
    }
  };
}

/** The end of the initial events is told by an annotation, which a Table can carry only on a row's object. Source: handlers/response.go. */
function bookmarkTable(table: object, object: KubernetesObject, apiVersion: string): object {
  return { ...table, rows: [{ cells: [], object: partialMetadata(object, apiVersion) }] };
}

/** Frames of a four byte length each, holding a metav1.WatchEvent. Source: serializer/protobuf, framer.NewLengthDelimitedFrameWriter. */
function protobufEncoder({ declaration, codec, representation }: WatchEncoding): WatchEncoder {
  const { transform } = representation;
  const encodeItem = (item: WatchItem): Uint8Array => {
    const object = item.type === "BOOKMARK" ? bookmarkObject(declaration, item) : toServed(declaration, item.state.object);
    if (transform.as !== "object")
      return codec.encodeProtobuf(partialMetadata(object, transform.apiVersion) as KubernetesObject, {
        group: "meta.k8s.io",
        version: transform.apiVersion.slice("meta.k8s.io/".length),
        kind: "PartialObjectMetadata",
      });
    return item.type === "BOOKMARK" ? codec.encodeProtobuf(object, declaration.gvk) : stateProtobuf(codec, declaration, item.state);
  };
  return {
    contentType: "application/vnd.kubernetes.protobuf;stream=watch",
    event: (item) => protobufFrame(item.type, encodeItem(item)),
    error: (status) =>
      protobufFrame("ERROR", codec.encodeProtobuf(status as unknown as KubernetesObject, { group: "", version: "v1", kind: "Status" })),
  };
}

function protobufFrame(type: string, object: Uint8Array): Buffer {
  const raw = lengthDelimited(1, object);
  const event = Buffer.concat([lengthDelimited(1, Buffer.from(type)), lengthDelimited(2, raw)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(event.length);
  return Buffer.concat([length, event]);
}

function lengthDelimited(fieldNumber: number, bytes: Uint8Array): Buffer {
  const head = [(fieldNumber << 3) | 2];
  let rest = bytes.length;
  while (rest >= 0x80) {
    head.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  head.push(rest);
  return Buffer.concat([Buffer.from(head), bytes]);
}
