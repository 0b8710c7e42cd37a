// The scale subresource: an autoscaling/v1 Scale as a view on a workload. Source: pkg/registry/apps/deployment/storage ScaleREST.
import {
  applyJSONPatch,
  applyMergePatch,
  applyStrategicMergePatch,
  field,
  isJSONObject,
  type JSONObject,
  type KubernetesObject,
  metadataOf,
  newBadRequest,
  newInvalid,
  newMethodNotSupported,
  PatchError,
  patchErrorToStatus,
  type ScalePaths,
} from "@lenj/apimachinery";
import type { autoscalingv1 } from "@lenj/proto/k8s";
import type { CachedObject } from "../core/cached-object.js";
import { checkName } from "./body.js";
import { type Call, groupResourceOf, type WriteOptions } from "./call.js";
import { getObject } from "./get.js";
import type { Machine } from "./machine.js";
import type { PatchRequest } from "./patch.js";
import { toServed } from "./served.js";
import { updateObject } from "./update.js";

export type Scale = autoscalingv1.Scale;

export async function getScale(machine: Machine, call: Call): Promise<Scale> {
  return scaleOf(call, await getObject(machine, call));
}

export async function updateScale(machine: Machine, call: Call, scale: KubernetesObject, options: WriteOptions): Promise<Scale> {
  checkName(scale, call);
  return writeScale(machine, call, { options, optionsKind: "UpdateOptions", next: () => scale as Scale });
}

export async function patchScale(machine: Machine, call: Call, request: PatchRequest): Promise<Scale> {
  if (request.type === "apply") throw newMethodNotSupported(groupResourceOf(call), "apply");
  return writeScale(machine, call, {
    options: request.options,
    optionsKind: "PatchOptions",
    next: (current) => {
      const patched = applyTo(machine, current as unknown as JSONObject, request);
      return machine.codec.normalize(patched, scaleKind).object as Scale;
    },
  });
}

const scaleKind = { group: "autoscaling", version: "v1", kind: "Scale" } as const;

interface ScaleWrite {
  readonly options: WriteOptions;
  readonly optionsKind: string;
  readonly next: (current: Scale) => Scale;
}

async function writeScale(machine: Machine, call: Call, write: ScaleWrite): Promise<Scale> {
  const { declaration } = call.endpoint;
  const { state } = await updateObject(machine, call, {
    options: write.options,
    optionsKind: write.optionsKind,
    // The workload's own rules guard the write: a scale may change nothing but the number.
    strategy: declaration.strategy,
    makeNext: (old) => {
      const scale = write.next(scaleDocument(call, old));
      const replicas = scale.spec?.replicas ?? 0;
      if (replicas < 0)
        throw newInvalid(scaleKind, call.name, [field.invalid("spec.replicas", replicas, "must be greater than or equal to 0")]);
      pathsOf(call).setReplicas(old, replicas);
      const meta = metadataOf(old);
      if (scale.metadata?.resourceVersion) meta.resourceVersion = scale.metadata.resourceVersion;
      if (scale.metadata?.uid) meta.uid = scale.metadata.uid;
      return old;
    },
  });
  return scaleOf(call, state);
}

function applyTo(machine: Machine, scale: JSONObject, request: PatchRequest): KubernetesObject {
  try {
    if (request.type === "json") return applyJSONPatch(scale, request.patch) as KubernetesObject;
    if (!isJSONObject(request.patch)) throw newBadRequest("the patch is not an object");
    const schema = machine.codec.patchSchema(scaleKind);
    if (request.type === "merge" || schema === undefined) return applyMergePatch(scale, request.patch) as KubernetesObject;
    return applyStrategicMergePatch(scale, request.patch, schema) as KubernetesObject;
  } catch (error) {
    if (error instanceof PatchError) throw patchErrorToStatus(error);
    throw error;
  }
}

function scaleOf(call: Call, state: CachedObject): Scale {
  return scaleDocument(call, toServed(call.endpoint.declaration, state.object));
}

function scaleDocument(call: Call, object: KubernetesObject): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
  const paths = pathsOf(call);
  const selector = paths.selector(object);
  const replicas = paths.replicas(object);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: paths.statusReplicas(object), ...(selector !== "" && { selector }) },
  } as Scale;
}

function pathsOf(call: Call): ScalePaths {
  const paths = call.endpoint.subresource?.scale;
  if (paths === undefined) throw newMethodNotSupported(groupResourceOf(call), "scale");
  return paths;
}
