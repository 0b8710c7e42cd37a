// Resource requests: from method, path and body to the handlers, and from their results to an answer.
import {
  type DeleteOptions,
  isJSONObject,
  type JSONValue,
  newBadRequest,
  newDeleteSuccess,
  newMethodNotSupported,
  newUnsupportedMediaType,
  type ResourceDeclaration,
  type Verb,
} from "@lenj/apimachinery";
import { parseListOptions } from "../core/list-options.js";
import { bodyEncoding, mediaTypeOf } from "../core/media-type.js";
import type { RequestInfo } from "../core/request-info.js";
import { isTruthy } from "../core/request-info.js";
import { actOn } from "../handlers/act.js";
import { decodeBody, type RequestBody } from "../handlers/body.js";
import type { WriteOptions } from "../handlers/call.js";
import { type Call, groupResourceOf } from "../handlers/call.js";
import { createObject } from "../handlers/create.js";
import { deleteCollection, deleteObject } from "../handlers/delete.js";
import { getObject } from "../handlers/get.js";
import { listObjects } from "../handlers/list.js";
import type { Machine } from "../handlers/machine.js";
import { type PatchType, patchObject } from "../handlers/patch.js";
import { replaceObject } from "../handlers/update.js";
import { checkWriteOptions, rawWriteOptions, type WriteOptionsKind } from "../handlers/write-options.js";
import type { Exchange } from "./exchange.js";
import { type Answer, representationFor, sendDocument, sendList, sendState } from "./respond.js";
import { serveWatch } from "./serve-watch.js";
import { serveSubresource } from "./subresource-routes.js";

/** Larger bodies are refused. Source: generic apiserver MaxRequestBodyBytes. */
export const bodyLimitBytes = 3 * 1024 * 1024;

export interface ResourceRequest {
  readonly machine: Machine;
  readonly call: Call;
  readonly request: RequestInfo;
  readonly exchange: Exchange;
  readonly answer: Answer;
}

export async function serveResource(resource: ResourceRequest): Promise<void> {
  const { call, request } = resource;
  const { declaration, subresource } = call.endpoint;
  if (declaration.deprecationWarning !== undefined) call.warnings.add(declaration.deprecationWarning);
  if (subresource !== undefined) return serveSubresource(resource);
  requireVerb(declaration, request.verb as Verb, call);
  switch (request.verb) {
    case "get":
      return serveGet(resource);
    case "list":
      return serveList(resource);
    case "watch":
      return serveWatch(resource);
    case "create":
      return serveCreate(resource);
    case "update":
      return serveUpdate(resource);
    case "patch":
      return servePatch(resource);
    case "delete":
      return serveDelete(resource);
    case "deletecollection":
      return serveDeleteCollection(resource);
    default:
      throw newMethodNotSupported(groupResourceOf(call), request.verb);
  }
}

function requireVerb(declaration: ResourceDeclaration, verb: Verb, call: Call): void {
  if (!declaration.verbs.includes(verb)) throw newMethodNotSupported(groupResourceOf(call), verb);
}

async function serveGet({ machine, call, exchange, answer }: ResourceRequest): Promise<void> {
  const { declaration } = call.endpoint;
  const representation = representationFor(answer, declaration, true);
  await sendState(answer, 200, declaration, await getObject(machine, call, exchange.query.get("resourceVersion") ?? ""), representation);
}

async function serveList({ machine, call, exchange, answer }: ResourceRequest): Promise<void> {
  const { declaration } = call.endpoint;
  const representation = representationFor(answer, declaration, true);
  await sendList(answer, declaration, await listObjects(machine, call, parseListOptions(exchange.query)), representation);
}

async function serveCreate({ machine, call, exchange, answer }: ResourceRequest): Promise<void> {
  const { declaration } = call.endpoint;
  const representation = representationFor(answer, declaration, true);
  const options = writeOptions(exchange, "CreateOptions", call);
  const object = decodeBody(machine.codec, call, await readObjectBody(exchange), declaration.gvk, options);
  if (declaration.storage === undefined) return sendDocument(answer, 201, await actOn(machine, call, object, options), representation);
  await sendState(answer, 201, declaration, await createObject(machine, call, object, options), representation);
}

async function serveUpdate({ machine, call, exchange, answer }: ResourceRequest): Promise<void> {
  const { declaration } = call.endpoint;
  const representation = representationFor(answer, declaration, true);
  const options = writeOptions(exchange, "UpdateOptions", call);
  const object = decodeBody(machine.codec, call, await readObjectBody(exchange), declaration.gvk, options);
  const { state, isNew } = await replaceObject(machine, call, object, options);
  await sendState(answer, isNew ? 201 : 200, declaration, state, representation);
}

export async function servePatch({ machine, call, exchange, answer }: ResourceRequest): Promise<void> {
  const { declaration } = call.endpoint;
  const representation = representationFor(answer, declaration, true);
  const { type, patch, text } = await readPatch(exchange);
  const raw = {
    ...rawWriteOptions(exchange.query),
    isApply: type === "apply",
    force: exchange.query.has("force") ? isTruthy(exchange.query.get("force")) : undefined,
  };
  const options = checkWriteOptions(raw, "PatchOptions", call.userAgent);
  const { state, isNew } = await patchObject(machine, call, { type, patch, text, options, force: raw.force ?? false });
  await sendState(answer, isNew ? 201 : 200, declaration, state, representation);
}

async function serveDelete({ machine, call, exchange, answer }: ResourceRequest): Promise<void> {
  const { declaration } = call.endpoint;
  const representation = representationFor(answer, declaration, true);
  const options = await readDeleteOptions(machine, call, exchange);
  const { state, isGone } = await deleteObject(machine, call, options);
  if (!isGone || declaration.returnsDeletedObject)
    return sendState(answer, options.orphanDependents === false ? 202 : 200, declaration, state, representation);
  const status = newDeleteSuccess(groupResourceOf(call), call.name, state.object.metadata?.uid ?? "");
  // Clients of 1.35 take `code` from the HTTP answer; upstream leaves it out of a success.
  const { code: _code, ...document } = status;
  await sendDocument(answer, options.orphanDependents === false ? 202 : 200, document, representation);
}

async function serveDeleteCollection({ machine, call, exchange, answer }: ResourceRequest): Promise<void> {
  const { declaration } = call.endpoint;
  const representation = representationFor(answer, declaration, true);
  const options = await readDeleteOptions(machine, call, exchange);
  const select = { ...parseListOptions(exchange.query), watch: false };
  await sendList(answer, declaration, await deleteCollection(machine, call, select, options), representation);
}

export function writeOptions(exchange: Exchange, kind: WriteOptionsKind, call: Call): WriteOptions {
  return checkWriteOptions(rawWriteOptions(exchange.query), kind, call.userAgent);
}

/** Throws StatusError UnsupportedMediaType for encodings that objects do not come in. */
export async function readObjectBody(exchange: Exchange): Promise<RequestBody> {
  const encoding = bodyEncoding(exchange.header("content-type"));
  if (encoding === undefined)
    throw newUnsupportedMediaType(["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]);
  return { bytes: await exchange.readBody(bodyLimitBytes), encoding };
}

const patchTypes: Readonly<Record<string, PatchType>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
};

export async function readPatch(exchange: Exchange): Promise<{ type: PatchType; patch: JSONValue; text: string }> {
  const type = patchTypes[mediaTypeOf(exchange.header("content-type"))];
  if (type === undefined) throw newUnsupportedMediaType(Object.keys(patchTypes));
  const text = (await exchange.readBody(bodyLimitBytes)).toString("utf8");
  return { type, patch: await parsePatch(type, text), text };
}

async function parsePatch(type: PatchType, text: string): Promise<JSONValue> {
  try {
    return JSON.parse(text) as JSONValue;
  } catch (error) {
    if (type !== "apply") throw newBadRequest(`error decoding patch: ${(error as Error).message}`);
  }
  try {
    const { parse } = await import("yaml");
    return parse(text) as JSONValue;
  } catch (error) {
    throw newBadRequest(`error decoding YAML: ${(error as Error).message}`);
  }
}

/** From the body, or from the query where there is none. */
export async function readDeleteOptions(machine: Machine, _call: Call, exchange: Exchange): Promise<DeleteOptions> {
  const body = await exchange.readBody(bodyLimitBytes);
  if (body.length > 0) {
    const encoding = bodyEncoding(exchange.header("content-type"));
    if (encoding === undefined)
      throw newUnsupportedMediaType(["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]);
    const { object } = machine.codec.decode(body, encoding, { group: "", version: "v1", kind: "DeleteOptions" });
    if (!isJSONObject(object)) throw newBadRequest("DeleteOptions must be an object");
    return object as DeleteOptions;
  }
  const { query } = exchange;
  const grace = query.get("gracePeriodSeconds");
  if (grace !== null && !/^[+-]?\d+$/.test(grace))
    throw newBadRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`);
  const policy = query.get("propagationPolicy");
  const dryRun = query.getAll("dryRun").filter((value) => value !== "");
  return {
    ...(grace !== null && { gracePeriodSeconds: Number(grace) }),
    ...(policy !== null && policy !== "" && { propagationPolicy: policy }),
    ...(query.has("orphanDependents") && { orphanDependents: isTruthy(query.get("orphanDependents")) }),
    ...(dryRun.length > 0 && { dryRun }),
  };
}
