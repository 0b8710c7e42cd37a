// Answers of the REST front: content negotiation done, headers that every answer carries, compression, Status errors.

import { promisify } from "node:util";
import { gzip } from "node:zlib";
import {
  isStatusError,
  newInternalError,
  newNotAcceptable,
  newServiceUnavailable,
  newTimeout,
  type ResourceDeclaration,
  type Status,
  StatusError,
} from "@lenj/apimachinery";
import type { CachedObject } from "../core/cached-object.js";
import type { ObjectCodec } from "../core/codec.js";
import { acceptedMediaTypes, jsonObject, negotiate, type Representation } from "../core/media-type.js";
import { isStorageError } from "../core/storage.js";
import type { ListResult } from "../handlers/list.js";
import { toServed } from "../handlers/served.js";
import {
  contentTypeOf,
  encodeDocument,
  encodeListJSON,
  encodeListProtobuf,
  type IncludeObject,
  listMetaOf,
  partialMetadata,
  stateJSON,
  stateProtobuf,
  tableOf,
  withKind,
} from "./encode.js";
import type { Exchange } from "./exchange.js";

/** Smaller answers are not worth the work. Source: responsewriters defaultGzipThresholdBytes. */
const gzipThresholdBytes = 128 * 1024;
const compress = promisify(gzip);

export interface Answer {
  readonly exchange: Exchange;
  readonly codec: ObjectCodec;
  readonly nowMs: () => number;
}

/** What the client accepts of what the kind has. Throws StatusError NotAcceptable. */
export function representationFor(answer: Answer, declaration: ResourceDeclaration | undefined, hasTransforms: boolean): Representation {
  const offer = { protobuf: declaration !== undefined && answer.codec.hasProtobuf(declaration.gvk), transforms: hasTransforms };
  const representation = negotiate(answer.exchange.header("accept"), offer);
  if (representation === undefined) throw newNotAcceptable(acceptedMediaTypes(offer));
  return representation;
}

export async function sendState(
  answer: Answer,
  code: number,
  declaration: ResourceDeclaration,
  state: CachedObject,
  representation: Representation,
): Promise<void> {
  const { exchange } = answer;
  const { encoding, transform } = representation;
  if (transform.as === "Table") {
    const object = toServed(declaration, state.object);
    const options = { apiVersion: transform.apiVersion, includeObject: includeObjectOf(exchange), nowMs: answer.nowMs() };
    return sendDocument(
      answer,
      code,
      tableOf(declaration, [object], { resourceVersion: object.metadata?.resourceVersion ?? "" }, options),
      representation,
    );
  }
  if (transform.as !== "object")
    return sendDocument(answer, code, partialMetadata(toServed(declaration, state.object), transform.apiVersion), {
      ...representation,
      encoding: jsonIfProtobuf(encoding),
    });
  if (encoding === "json" && !isPretty(exchange)) return sendBytes(answer, code, representation, [stateJSON(declaration, state)]);
  if (encoding === "protobuf") return sendBytes(answer, code, representation, [stateProtobuf(answer.codec, declaration, state)]);
  return sendDocument(answer, code, withKind(declaration.gvk, toServed(declaration, state.object)), representation);
}

export async function sendList(
  answer: Answer,
  declaration: ResourceDeclaration,
  result: ListResult,
  representation: Representation,
): Promise<void> {
  const { exchange } = answer;
  const { encoding, transform } = representation;
  const meta = listMetaOf(result);
  const objects = (): ReturnType<typeof toServed>[] => result.states.map((state) => toServed(declaration, state.object));
  if (transform.as === "Table") {
    return sendDocument(
      answer,
      200,
      tableOf(declaration, objects(), meta, {
        apiVersion: transform.apiVersion,
        includeObject: includeObjectOf(exchange),
        nowMs: answer.nowMs(),
      }),
      representation,
    );
  }
  if (transform.as !== "object") {
    const items = objects().map((object) => partialMetadata(object, transform.apiVersion));
    return sendDocument(
      answer,
      200,
      { kind: "PartialObjectMetadataList", apiVersion: transform.apiVersion, metadata: meta, items },
      { ...representation, encoding: jsonIfProtobuf(encoding) },
    );
  }
  if (encoding === "protobuf")
    return sendBytes(answer, 200, representation, [encodeListProtobuf(answer.codec, declaration, result.states, meta)]);
  const chunks = encodeListJSON(declaration, result.states, meta);
  if (encoding === "json" && !isPretty(exchange)) return sendBytes(answer, 200, representation, chunks);
  return sendDocument(answer, 200, JSON.parse(Buffer.concat(chunks).toString("utf8")) as object, representation);
}

function jsonIfProtobuf(encoding: Representation["encoding"]): Representation["encoding"] {
  return encoding === "protobuf" ? "json" : encoding;
}

export async function sendDocument(
  answer: Answer,
  code: number,
  document: object,
  representation: Representation = jsonObject,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const encoding = jsonIfProtobuf(representation.encoding);
  await sendBytes(
    answer,
    code,
    { ...representation, encoding },
    [await encodeDocument(document, { encoding }, isPretty(answer.exchange))],
    headers,
  );
}

export async function sendBytes(
  answer: Answer,
  code: number,
  representation: Representation,
  chunks: readonly Uint8Array[],
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { exchange } = answer;
  const all = { "content-type": contentTypeOf(representation), ...headers };
  let sizeBytes = 0;
  for (const chunk of chunks) sizeBytes += chunk.length;
  if (sizeBytes > gzipThresholdBytes && acceptsGzip(exchange)) {
    const compressed = await compress(Buffer.concat(chunks), { level: 1 });
    return exchange.send(code, { ...all, "content-encoding": "gzip", vary: "Accept-Encoding" }, compressed);
  }
  return exchange.send(code, all, chunks);
}

export async function sendText(
  exchange: Exchange,
  code: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  await exchange.send(code, { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff", ...headers }, text);
}

export async function sendStatus(answer: Answer, status: Status): Promise<void> {
  const { exchange } = answer;
  const retryAfter = status.details?.retryAfterSeconds;
  const headers = retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
  const offered = negotiate(exchange.header("accept"), { protobuf: false, transforms: true }) ?? jsonObject;
  await sendDocument(answer, status.code, status, { encoding: offered.encoding, transform: { as: "object" } }, headers);
}

/** The Status for anything thrown. Only our own errors speak to the client; all others say nothing of their cause. */
export function statusOf(error: unknown): Status {
  if (isStatusError(error)) return error.status;
  if (isStorageError(error)) {
    if (error.code === "UNAVAILABLE")
      return newServiceUnavailable("the server is currently unable to handle the request: the store did not answer").status;
    return newInternalError(error).status;
  }
  if (error instanceof DOMException && error.name === "TimeoutError")
    return newTimeout("request did not complete within the allotted timeout", 0).status;
  return newInternalError(new Error("the request could not be processed")).status;
}

export function isExpected(error: unknown): boolean {
  return error instanceof StatusError || isStorageError(error) || error instanceof DOMException;
}

function includeObjectOf(exchange: Exchange): IncludeObject {
  const wanted = exchange.query.get("includeObject");
  return wanted === "None" || wanted === "Object" ? wanted : "Metadata";
}

export function isPretty(exchange: Exchange): boolean {
  const wanted = exchange.query.get("pretty");
  if (wanted !== null) return wanted === "1" || wanted === "true";
  return /^(curl|Wget|Mozilla\/5\.0)/.test(exchange.header("user-agent") ?? "");
}

function acceptsGzip(exchange: Exchange): boolean {
  return (exchange.header("accept-encoding") ?? "")
    .split(",")
    .some((coding) => /^\s*gzip\s*(;|$)/i.test(coding) && !/;\s*q=0(\.0*)?\s*$/.test(coding));
}
