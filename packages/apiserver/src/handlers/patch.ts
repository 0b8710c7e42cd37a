// Patches: applied to the present state, then written like an update. Lost races are run again on the newer state.
// Source: k8s.io/apiserver pkg/endpoints/handlers/patch.go.
import {
  applyJSONPatch,
  applyMergePatch,
  applyStrategicMergePatch,
  isJSONObject,
  isStatusError,
  type JSONObject,
  type JSONValue,
  type KubernetesObject,
  metadataOf,
  newBadRequest,
  newUnsupportedMediaType,
  PatchError,
  patchErrorToStatus,
} from "@lenj/apimachinery";
import { apiVersionOf, normalizePatched } from "./body.js";
import type { Call, WriteOptions } from "./call.js";
import { createObject } from "./create.js";
import type { Machine } from "./machine.js";
import { type UpdateResult, updateObject } from "./update.js";

export type PatchType = "json" | "merge" | "strategic" | "apply";

export interface PatchRequest {
  readonly type: PatchType;
  /** The document, parsed. */
  readonly patch: JSONValue;
  /** As it came, for messages. */
  readonly text: string;
  readonly force: boolean;
  readonly options: WriteOptions;
}

export async function patchObject(machine: Machine, call: Call, request: PatchRequest): Promise<UpdateResult> {
  if (request.type === "apply") return applyObject(machine, call, request);
  return updateObject(machine, call, {
    options: request.options,
    optionsKind: "PatchOptions",
    makeNext: (old) => patched(machine, call, old, request),
  });
}

/** `old` is in served form and the caller's own. */
function patched(machine: Machine, call: Call, old: KubernetesObject, request: PatchRequest): KubernetesObject {
  const kind = call.endpoint.declaration.gvk;
  const document: JSONObject = { ...(old as JSONObject), kind: kind.kind, apiVersion: apiVersionOf(kind) };
  const result = applyPatch(machine, call, document, request);
  if (!isJSONObject(result)) throw newBadRequest("the patched document is not an object");
  const object = normalizePatched(machine.codec, call, result as KubernetesObject, { kind, patchText: request.text }, request.options);
  const meta = metadataOf(object);
  if (meta.name !== call.name)
    throw newBadRequest(`the name of the object (${meta.name ?? ""}) does not match the name on the URL (${call.name})`);
  return object;
}

function applyPatch(machine: Machine, call: Call, document: JSONObject, request: PatchRequest): JSONValue {
  try {
    switch (request.type) {
      case "json":
        return applyJSONPatch(document, request.patch);
      case "merge":
        if (!isJSONObject(request.patch)) throw new PatchError("MALFORMED", "error decoding patch: json: cannot unmarshal into a map");
        return applyMergePatch(document, request.patch);
      default: {
        const schema = machine.codec.patchSchema(call.endpoint.declaration.gvk);
        if (schema === undefined)
          throw newUnsupportedMediaType(["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"]);
        if (!isJSONObject(request.patch)) throw new PatchError("MALFORMED", "error decoding patch: json: cannot unmarshal into a map");
        return applyStrategicMergePatch(document, request.patch, schema);
      }
    }
  } catch (error) {
    if (error instanceof PatchError) throw patchErrorToStatus(error);
    throw error;
  }
}

async function applyObject(machine: Machine, call: Call, request: PatchRequest): Promise<UpdateResult> {
  const config = checkedConfig(call, request.patch);
  const { options, force } = request;
  const { declaration, subresource } = call.endpoint;
  const apply = (live: KubernetesObject | undefined): KubernetesObject => {
    const merged = machine.managedFields.apply(live, { call, options, config, force });
    const { object } = machine.codec.normalize(merged, declaration.gvk);
    // The configuration's resourceVersion, if any, is the one that the write insists on.
    if (config.metadata?.resourceVersion) metadataOf(object).resourceVersion = config.metadata.resourceVersion;
    return object;
  };
  for (;;) {
    try {
      return await updateObject(machine, call, {
        options,
        optionsKind: "PatchOptions",
        hasManagedFields: true,
        makeNext: (old) => apply(old),
      });
    } catch (error) {
      if (!isStatusError(error, "NotFound") || subresource !== undefined || error.status.details?.name !== call.name) throw error;
    }
    try {
      const object = apply(undefined);
      return { state: await createObject(machine, call, object, options, { hasManagedFields: true }), isNew: true };
    } catch (error) {
      // Someone else was quicker: apply on top of theirs.
      if (!isStatusError(error, "AlreadyExists")) throw error;
    }
  }
}

function checkedConfig(call: Call, patch: JSONValue): KubernetesObject {
  if (!isJSONObject(patch)) throw newBadRequest("error decoding YAML: the patch is not an object");
  const config = patch as KubernetesObject;
  const { declaration, subresource } = call.endpoint;
  const kind = subresource?.scale === undefined ? declaration.gvk : subresource.gvk;
  const expected = apiVersionOf(kind);
  if (config.apiVersion === undefined || config.apiVersion === "") throw newBadRequest("invalid object type: /, Kind=");
  if (config.apiVersion !== expected)
    throw newBadRequest(`Incorrect version specified in apply patch. Specified patch version: ${config.apiVersion}, expected: ${expected}`);
  if (config.kind !== kind.kind) throw newBadRequest(`invalid object type: ${config.apiVersion}, Kind=${config.kind ?? ""}`);
  if (config.metadata?.managedFields !== undefined && config.metadata.managedFields !== null)
    throw newBadRequest("metadata.managedFields must be nil");
  const meta = metadataOf(config);
  if (!meta.name) meta.name = call.name;
  if (meta.name !== call.name)
    throw newBadRequest(`the name of the object (${meta.name}) does not match the name on the URL (${call.name})`);
  return config;
}
