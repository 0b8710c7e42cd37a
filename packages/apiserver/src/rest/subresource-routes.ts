// Parts of objects under their own path: status and its like, scale, and actions such as binding and eviction.
import { type GroupVersionKind, newMethodNotSupported, type Subresource, type Verb } from "@lenj/apimachinery";
import { isTruthy } from "../core/request-info.js";
import { actOn } from "../handlers/act.js";
import { decodeBody } from "../handlers/body.js";
import { groupResourceOf } from "../handlers/call.js";
import { getObject } from "../handlers/get.js";
import { getScale, patchScale, updateScale } from "../handlers/scale.js";
import { replaceObject } from "../handlers/update.js";
import { checkWriteOptions, rawWriteOptions } from "../handlers/write-options.js";
import { type ResourceRequest, readObjectBody, readPatch, servePatch, writeOptions } from "./resource-routes.js";
import { representationFor, sendDocument, sendState } from "./respond.js";

export async function serveSubresource(resource: ResourceRequest): Promise<void> {
  const { call, request } = resource;
  const subresource = call.endpoint.subresource as Subresource;
  const proxy = resource.machine.proxies.get(
    `${call.endpoint.declaration.gvk.group}/${call.endpoint.declaration.plural}/${subresource.name}`,
  );
  if (proxy !== undefined) return proxy(resource);
  if (!subresource.verbs.includes(request.verb as Verb)) throw newMethodNotSupported(groupResourceOf(call), request.verb);
  if (subresource.scale !== undefined) return serveScale(resource);
  if (subresource.strategy !== undefined) return serveParent(resource);
  return serveAction(resource, subresource);
}

/** Endpoints that read and write the whole object under rules of their own. */
async function serveParent(resource: ResourceRequest): Promise<void> {
  const { machine, call, request, exchange, answer } = resource;
  const { declaration } = call.endpoint;
  if (request.verb === "patch") return servePatch(resource);
  const representation = representationFor(answer, declaration, true);
  if (request.verb === "get")
    return sendState(answer, 200, declaration, await getObject(machine, call, exchange.query.get("resourceVersion") ?? ""), representation);
  const options = writeOptions(exchange, "UpdateOptions", call);
  const object = decodeBody(machine.codec, call, await readObjectBody(exchange), declaration.gvk, options);
  const { state } = await replaceObject(machine, call, object, options);
  await sendState(answer, 200, declaration, state, representation);
}

async function serveScale({ machine, call, request, exchange, answer }: ResourceRequest): Promise<void> {
  const kind = (call.endpoint.subresource as Subresource).gvk;
  const representation = representationFor(answer, undefined, false);
  if (request.verb === "get") return sendDocument(answer, 200, await getScale(machine, call), representation);
  if (request.verb === "update") {
    const options = writeOptions(exchange, "UpdateOptions", call);
    const scale = decodeBody(machine.codec, call, await readObjectBody(exchange), kind, options);
    return sendDocument(answer, 200, await updateScale(machine, call, scale, options), representation);
  }
  const { type, patch, text } = await readPatch(exchange);
  const raw = {
    ...rawWriteOptions(exchange.query),
    isApply: type === "apply",
    force: exchange.query.has("force") ? isTruthy(exchange.query.get("force")) : undefined,
  };
  const options = checkWriteOptions(raw, "PatchOptions", call.userAgent);
  await sendDocument(
    answer,
    200,
    await patchScale(machine, call, { type, patch, text, options, force: raw.force ?? false }),
    representation,
  );
}

/** POSTs that do something to the object rather than write it. */
async function serveAction({ machine, call, request, exchange, answer }: ResourceRequest, subresource: Subresource): Promise<void> {
  if (request.verb !== "create") throw newMethodNotSupported(groupResourceOf(call), request.verb);
  const representation = representationFor(answer, undefined, false);
  const options = writeOptions(exchange, "CreateOptions", call);
  const object = decodeBody(machine.codec, call, await readObjectBody(exchange), subresource.gvk as GroupVersionKind, options);
  await sendDocument(answer, 201, await actOn(machine, call, object, options), representation);
}
