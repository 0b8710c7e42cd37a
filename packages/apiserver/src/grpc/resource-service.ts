// lenj.api.v1.ResourceService on the handlers that REST uses too: the same identity, rights, admission and rules.
import type { handleServerStreamingCall, handleUnaryCall, ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import {
  type DeleteOptions,
  type GroupVersionKind,
  isJSONObject,
  type JSONValue,
  type KubernetesObject,
  newBadRequest,
  newDeleteSuccess,
  newMethodNotSupported,
  newRequestEntityTooLarge,
  newTooManyRequests,
  type Status,
  type Verb,
} from "@lenj/apimachinery";
import {
  ContentType,
  type CreateRequest,
  PatchRequest_Type,
  type ResourceRef,
  type ResourceServiceServer,
  type UpdateRequest,
  WatchEvent_Type,
  type Object as WireObject,
  type WriteOptions as WireWriteOptions,
} from "@lenj/proto/lenj";
import type { CachedObject } from "../core/cached-object.js";
import { type Endpoint, findSubresource } from "../core/catalog.js";
import { emptyListOptions, type ListOptions } from "../core/list-options.js";
import { nameInFieldSelector } from "../core/request-info.js";
import type { WatchItem } from "../core/watch-cache.js";
import { actOn } from "../handlers/act.js";
import { decodeBody } from "../handlers/body.js";
import { type Call, groupResourceOf, Warnings, type WriteOptions } from "../handlers/call.js";
import { createObject } from "../handlers/create.js";
import { deleteCollection, deleteObject } from "../handlers/delete.js";
import { getObject } from "../handlers/get.js";
import { listObjects } from "../handlers/list.js";
import type { Machine } from "../handlers/machine.js";
import { type PatchType, patchObject } from "../handlers/patch.js";
import { getScale, patchScale, updateScale } from "../handlers/scale.js";
import { replaceObject } from "../handlers/update.js";
import { watchObjects } from "../handlers/watch.js";
import { checkWriteOptions } from "../handlers/write-options.js";
import { stateJSON, stateProtobuf } from "../rest/encode.js";
import { bookmarkObject } from "../rest/encode-watch.js";
import { type Pipeline, unknownPath } from "../rest/pipeline.js";
import { bodyLimitBytes } from "../rest/resource-routes.js";
import { isExpected, statusOf } from "../rest/respond.js";
import { callCredentials, userAgentOf } from "./call-credentials.js";
import { serviceErrorOf } from "./service-errors.js";

/** A message of a list stays below this, so that no client needs a large message limit. */
const chunkBytes = 1024 * 1024;

type AnyCall = ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>;

interface Addressing {
  readonly ref?: ResourceRef | undefined;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** What a call answers with: a stored state in a served form, or a document made for it. */
type Outcome = { readonly state: CachedObject } | { readonly document: object; readonly kind: GroupVersionKind };

export function createResourceService(machine: Machine, pipeline: Pipeline): ResourceServiceServer {
  const unary = <Req extends Addressing>(
    verb: Verb,
    run: (call: Call, request: Req) => Promise<Outcome>,
    accept: (request: Req) => ContentType,
  ): handleUnaryCall<Req, WireObject> => {
    return (grpcCall, callback) => {
      void answerUnary(grpcCall, callback, async (signal) => {
        const { call, release } = await open(machine, pipeline, grpcCall, addressOf(grpcCall.request, verb, signal));
        try {
          return encodeOutcome(machine, call, await run(call, grpcCall.request), accept(grpcCall.request));
        } finally {
          release();
        }
      });
    };
  };
  const streaming = <Req extends Addressing, Res>(
    verb: "list" | "watch",
    run: (call: Call, request: Req) => AsyncIterable<Res>,
  ): handleServerStreamingCall<Req, Res> => {
    return (grpcCall) => {
      void answerStream(machine, grpcCall, async (signal) => {
        const { call, release } = await open(machine, pipeline, grpcCall, addressOf(grpcCall.request, verb, signal));
        try {
          for await (const message of run(call, grpcCall.request)) await writeMessage(grpcCall, message, signal);
        } finally {
          release();
        }
      });
    };
  };
  const json = (): ContentType => ContentType.CONTENT_TYPE_JSON;
  const asSent = ({ object }: { object?: WireObject | undefined }): ContentType => object?.contentType ?? ContentType.CONTENT_TYPE_JSON;
  return {
    get: unary(
      "get",
      (call, request) => get(machine, call, request.resourceVersion),
      ({ accept }) => accept,
    ),
    list: streaming("list", (call, request) =>
      list(
        machine,
        call,
        {
          ...selectionOf(request),
          resourceVersion: request.resourceVersion,
          resourceVersionMatch: request.resourceVersionMatch,
          limit: request.limit,
          continue: request.continue,
        },
        request.accept,
      ),
    ),
    watch: streaming("watch", (call, request) =>
      watch(
        machine,
        call,
        {
          ...selectionOf(request),
          watch: true,
          resourceVersion: request.resourceVersion,
          allowWatchBookmarks: request.allowBookmarks,
          ...(request.sendInitialEvents && { sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" }),
          timeoutSeconds: request.timeoutSeconds > 0 ? request.timeoutSeconds : undefined,
        },
        request.accept,
      ),
    ),
    create: unary<CreateRequest>(
      "create",
      (call, { object, options }) => create(machine, call, object, optionsOf(options, "CreateOptions", call)),
      asSent,
    ),
    update: unary<UpdateRequest>(
      "update",
      (call, { object, options }) => update(machine, call, object, optionsOf(options, "UpdateOptions", call)),
      asSent,
    ),
    patch: unary(
      "patch",
      (call, { type, patch, options, force }) =>
        applyPatch(machine, call, { type, bytes: patch, force, options: options ?? emptyWriteOptions }),
      json,
    ),
    delete: unary("delete", (call, request) => remove(machine, call, deleteOptionsOf(machine, request.options)), json),
    deleteCollection: unary(
      "deletecollection",
      async (call, request) => {
        await deleteCollection(machine, call, selectionOf(request), deleteOptionsOf(machine, request.options));
        return { document: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" }, kind: statusKind };
      },
      json,
    ),
  };
}

const statusKind = { group: "", version: "v1", kind: "Status" } as const;
const emptyWriteOptions: WireWriteOptions = { dryRun: false, fieldManager: "", fieldValidation: "" };

interface Addressed {
  readonly ref: ResourceRef | undefined;
  readonly verb: Verb;
  readonly signal: AbortSignal;
  /** Of list, watch and deletecollection: what a user may select may be all that they may read. */
  readonly selection?: { readonly fieldSelector: string; readonly labelSelector: string } | undefined;
}

function addressOf({ ref, fieldSelector, labelSelector }: Addressing, verb: Verb, signal: AbortSignal): Addressed {
  const selection = fieldSelector === undefined ? undefined : { fieldSelector, labelSelector: labelSelector ?? "" };
  return { ref, verb, signal, selection };
}

/** Identity, rights and address of a call. Throws StatusError. */
async function open(
  machine: Machine,
  pipeline: Pipeline,
  grpcCall: AnyCall,
  { ref, verb, signal, selection }: Addressed,
): Promise<{ call: Call; release: () => void }> {
  if (ref === undefined) throw newBadRequest("ref must be given");
  const user = await pipeline.identify(callCredentials(grpcCall), signal);
  await pipeline.authorize(
    {
      user,
      verb,
      isResourceRequest: true,
      apiGroup: ref.group,
      apiVersion: ref.version,
      resource: ref.resource,
      subresource: ref.subresource,
      namespace: ref.namespace,
      name: ref.name !== "" ? ref.name : nameInFieldSelector(selection?.fieldSelector ?? ""),
      path: "",
      fieldSelector: selection?.fieldSelector,
      labelSelector: selection?.labelSelector,
    },
    signal,
  );
  const endpoint = findEndpoint(machine, ref, verb);
  if (endpoint.declaration.scope === "Namespaced" && ref.namespace === "" && ref.name !== "")
    throw newBadRequest("namespace must be given");
  const isMutating = verb !== "get" && verb !== "list" && verb !== "watch";
  const release = verb === "watch" ? () => {} : pipeline.enter(isMutating, user);
  if (release === undefined) throw newTooManyRequests("Too many requests, please try again later.", 1);
  return {
    release,
    call: {
      endpoint,
      namespace: endpoint.declaration.scope === "Cluster" ? "" : ref.namespace,
      name: ref.name,
      user,
      userAgent: userAgentOf(grpcCall),
      auditID: pipeline.options.newAuditID(),
      signal,
      warnings: new Warnings(),
    },
  };
}

function findEndpoint(machine: Machine, ref: ResourceRef, verb: Verb): Endpoint {
  const declaration = machine.catalog.find(ref.group, ref.version, ref.resource);
  if (declaration === undefined) throw unknownPath();
  const subresource = ref.subresource === "" ? undefined : findSubresource(declaration, ref.subresource);
  if (ref.subresource !== "" && subresource === undefined) throw unknownPath();
  if (!(subresource?.verbs ?? declaration.verbs).includes(verb))
    throw newMethodNotSupported({ group: ref.group, resource: ref.resource }, verb);
  return { declaration, subresource };
}

async function get(machine: Machine, call: Call, resourceVersion: string): Promise<Outcome> {
  const { subresource } = call.endpoint;
  if (subresource?.scale !== undefined) return { document: await getScale(machine, call), kind: subresource.gvk };
  if (subresource !== undefined && subresource.strategy === undefined) throw newMethodNotSupported(groupResourceOf(call), "get");
  return { state: await getObject(machine, call, resourceVersion) };
}

async function create(machine: Machine, call: Call, body: WireObject | undefined, options: WriteOptions): Promise<Outcome> {
  const { declaration, subresource } = call.endpoint;
  const kind = subresource?.gvk ?? declaration.gvk;
  const object = decodeObject(machine, call, body, { kind, options });
  if (subresource === undefined && declaration.storage !== undefined) return { state: await createObject(machine, call, object, options) };
  const document = await actOn(machine, call, object, options);
  return { document, kind: (document as { kind?: string }).kind === "Status" ? statusKind : kind };
}

async function update(machine: Machine, call: Call, body: WireObject | undefined, options: WriteOptions): Promise<Outcome> {
  const { declaration, subresource } = call.endpoint;
  if (subresource?.scale !== undefined) {
    const scale = decodeObject(machine, call, body, { kind: subresource.gvk, options });
    return { document: await updateScale(machine, call, scale, options), kind: subresource.gvk };
  }
  const { state } = await replaceObject(machine, call, decodeObject(machine, call, body, { kind: declaration.gvk, options }), options);
  return { state };
}

const patchTypes: Readonly<Partial<Record<PatchRequest_Type, PatchType>>> = {
  [PatchRequest_Type.JSON_PATCH]: "json",
  [PatchRequest_Type.MERGE_PATCH]: "merge",
  [PatchRequest_Type.STRATEGIC_MERGE_PATCH]: "strategic",
  [PatchRequest_Type.APPLY_PATCH]: "apply",
};

async function applyPatch(
  machine: Machine,
  call: Call,
  wire: { type: PatchRequest_Type; bytes: Buffer; force: boolean; options: WireWriteOptions },
): Promise<Outcome> {
  const type = patchTypes[wire.type];
  if (type === undefined) throw newBadRequest(`unknown patch type ${wire.type}`);
  if (wire.bytes.length > bodyLimitBytes) throw tooLarge();
  const text = wire.bytes.toString("utf8");
  let patch: JSONValue;
  try {
    patch = JSON.parse(text) as JSONValue;
  } catch (error) {
    throw newBadRequest(`error decoding patch: ${(error as Error).message}`);
  }
  const isApply = type === "apply";
  const options = checkWriteOptions(
    { ...rawOptions(wire.options), isApply, force: isApply || wire.force ? wire.force : undefined },
    "PatchOptions",
    call.userAgent,
  );
  const request = { type, patch, text, options, force: wire.force };
  const { subresource } = call.endpoint;
  if (subresource?.scale !== undefined) return { document: await patchScale(machine, call, request), kind: subresource.gvk };
  return { state: (await patchObject(machine, call, request)).state };
}

async function remove(machine: Machine, call: Call, options: DeleteOptions): Promise<Outcome> {
  const { state, isGone } = await deleteObject(machine, call, options);
  if (!isGone || call.endpoint.declaration.returnsDeletedObject) return { state };
  return { document: newDeleteSuccess(groupResourceOf(call), call.name, state.object.metadata?.uid ?? ""), kind: statusKind };
}

async function* list(
  machine: Machine,
  call: Call,
  options: ListOptions,
  accept: ContentType,
): AsyncIterable<{ items: Buffer[]; contentType: ContentType; resourceVersion: string; continue: string; last: boolean }> {
  const result = await listObjects(machine, call, options);
  const resourceVersion = String(result.revision);
  const contentType = contentTypeFor(machine, call, accept);
  let items: Buffer[] = [];
  let sizeBytes = 0;
  for (const state of result.states) {
    const bytes = encodeState(machine, call, state, contentType);
    if (items.length > 0 && sizeBytes + bytes.length > chunkBytes) {
      yield { items, contentType, resourceVersion, continue: "", last: false };
      items = [];
      sizeBytes = 0;
    }
    items.push(bytes);
    sizeBytes += bytes.length;
  }
  yield { items, contentType, resourceVersion, continue: result.continue, last: true };
}

async function* watch(
  machine: Machine,
  call: Call,
  options: ListOptions,
  accept: ContentType,
): AsyncIterable<{ type: WatchEvent_Type; contentType: ContentType; data: Buffer }> {
  const contentType = contentTypeFor(machine, call, accept);
  try {
    for await (const item of watchObjects(machine, call, options))
      yield { type: eventTypes[item.type], contentType, data: encodeItem(machine, call, item, contentType) };
  } catch (error) {
    if (call.signal.aborted) return;
    if (!isExpected(error))
      machine.logger.error("Watch failed", { resource: call.endpoint.declaration.plural, auditID: call.auditID, error });
    yield { type: WatchEvent_Type.ERROR, contentType: ContentType.CONTENT_TYPE_JSON, data: Buffer.from(JSON.stringify(statusOf(error))) };
  }
}

const eventTypes: Readonly<Record<WatchItem["type"], WatchEvent_Type>> = {
  ADDED: WatchEvent_Type.ADDED,
  MODIFIED: WatchEvent_Type.MODIFIED,
  DELETED: WatchEvent_Type.DELETED,
  BOOKMARK: WatchEvent_Type.BOOKMARK,
};

function encodeItem(machine: Machine, call: Call, item: WatchItem, contentType: ContentType): Buffer {
  const { declaration } = call.endpoint;
  if (item.type !== "BOOKMARK") return encodeState(machine, call, item.state, contentType);
  const bookmark = bookmarkObject(declaration, item);
  return contentType === ContentType.CONTENT_TYPE_PROTOBUF
    ? Buffer.from(machine.codec.encodeProtobuf(bookmark, declaration.gvk))
    : Buffer.from(JSON.stringify(bookmark));
}

function encodeState(machine: Machine, call: Call, state: CachedObject, contentType: ContentType): Buffer {
  const { declaration } = call.endpoint;
  if (contentType === ContentType.CONTENT_TYPE_PROTOBUF) return asBuffer(stateProtobuf(machine.codec, declaration, state));
  return stateJSON(declaration, state);
}

function encodeOutcome(machine: Machine, call: Call, outcome: Outcome, accept: ContentType): WireObject {
  const warnings = [...call.warnings.texts];
  if ("state" in outcome) {
    const contentType = contentTypeFor(machine, call, accept);
    return { contentType, data: encodeState(machine, call, outcome.state, contentType), warnings };
  }
  if (accept === ContentType.CONTENT_TYPE_PROTOBUF && machine.codec.hasProtobuf(outcome.kind)) {
    return {
      contentType: accept,
      data: asBuffer(machine.codec.encodeProtobuf(outcome.document as KubernetesObject, outcome.kind)),
      warnings,
    };
  }
  return { contentType: ContentType.CONTENT_TYPE_JSON, data: Buffer.from(JSON.stringify(outcome.document)), warnings };
}

/** Kinds without a protobuf form come as JSON whatever was asked for; the answer says which. */
function contentTypeFor(machine: Machine, call: Call, accept: ContentType): ContentType {
  return accept === ContentType.CONTENT_TYPE_PROTOBUF && machine.codec.hasProtobuf(call.endpoint.declaration.gvk)
    ? accept
    : ContentType.CONTENT_TYPE_JSON;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function decodeObject(
  machine: Machine,
  call: Call,
  body: WireObject | undefined,
  about: { kind: GroupVersionKind; options: WriteOptions },
): KubernetesObject {
  if (body === undefined) throw newBadRequest("object must be given");
  if (body.data.length > bodyLimitBytes) throw tooLarge();
  const encoding = body.contentType === ContentType.CONTENT_TYPE_PROTOBUF ? "protobuf" : "json";
  return decodeBody(machine.codec, call, { bytes: body.data, encoding }, about.kind, about.options);
}

function tooLarge(): Error {
  return newRequestEntityTooLarge(`limit is ${bodyLimitBytes}`);
}

function selectionOf({ labelSelector, fieldSelector }: { labelSelector: string; fieldSelector: string }): ListOptions {
  return { ...emptyListOptions, labelSelector, fieldSelector };
}

function rawOptions(options: WireWriteOptions): { dryRun: string[]; fieldManager: string; fieldValidation: string } {
  return { dryRun: options.dryRun ? ["All"] : [], fieldManager: options.fieldManager, fieldValidation: options.fieldValidation };
}

function optionsOf(options: WireWriteOptions | undefined, kind: "CreateOptions" | "UpdateOptions", call: Call): WriteOptions {
  return checkWriteOptions(rawOptions(options ?? emptyWriteOptions), kind, call.userAgent);
}

function deleteOptionsOf(machine: Machine, bytes: Buffer): DeleteOptions {
  if (bytes.length === 0) return {};
  const { object } = machine.codec.decode(bytes, "json", { group: "", version: "v1", kind: "DeleteOptions" });
  if (!isJSONObject(object)) throw newBadRequest("options must be an object");
  return object as DeleteOptions;
}

async function answerUnary<Res>(
  grpcCall: AnyCall,
  callback: sendUnaryData<Res>,
  run: (signal: AbortSignal) => Promise<Res>,
): Promise<void> {
  const abort = cancellation(grpcCall);
  try {
    callback(null, await run(abort.signal));
  } catch (error) {
    callback(serviceErrorOf(statusOf(error)));
  }
}

async function answerStream(
  machine: Machine,
  grpcCall: ServerWritableStream<unknown, unknown>,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = cancellation(grpcCall);
  try {
    await run(abort.signal);
    grpcCall.end();
  } catch (error) {
    if (!abort.signal.aborted && !isExpected(error)) machine.logger.error("Call failed", { error });
    grpcCall.emit("error", serviceErrorOf(statusOf(error) as Status));
  }
}

function cancellation(grpcCall: AnyCall): AbortController {
  const abort = new AbortController();
  grpcCall.once("cancelled", () => abort.abort(new Error("Client cancelled the call")));
  return abort;
}

async function writeMessage(grpcCall: ServerWritableStream<unknown, unknown>, message: unknown, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (grpcCall.write(message)) return;
  await new Promise<void>((resolve, reject) => {
    const onDrain = (): void => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    };
    const onAbort = (): void => {
      grpcCall.off("drain", onDrain);
      reject(signal.reason as Error);
    };
    grpcCall.once("drain", onDrain);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
