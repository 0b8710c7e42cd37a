// Replaces objects: PUT, and what patches end in.
// Source: k8s.io/apiserver pkg/endpoints/handlers/update.go, pkg/registry/generic/registry/store.go Update.
import {
  beforeUpdate,
  cloneJSON,
  field,
  isReadyForRemoval,
  isStatusError,
  type KubernetesObject,
  metadataOf,
  newConflict,
  newInvalid,
  newNotFound,
  optimisticLockMessage,
  type UpdateStrategy,
} from "@lenj/apimachinery";
import { CachedObject } from "../core/cached-object.js";
import { attributesOf } from "./admit.js";
import { checkName } from "./body.js";
import { type Call, contextOf, groupResourceOf, type WriteOptions } from "./call.js";
import { createObject, writeOptionsDocument } from "./create.js";
import { type FinishWrite, nothingToFinish } from "./extension.js";
import { extensionOf, type Machine, storeOf } from "./machine.js";
import type { Change } from "./object-store.js";
import { toServedCopy, toStored } from "./served.js";

export interface UpdateResult {
  readonly state: CachedObject;
  /** The object did not exist before. */
  readonly isNew: boolean;
}

/** Makes the new served object from a private copy of the present one. May run several times. */
export type MakeNext = (old: KubernetesObject) => KubernetesObject | Promise<KubernetesObject>;

export interface UpdateRequest {
  readonly options: WriteOptions;
  readonly makeNext: MakeNext;
  /** For the admission plugins. Default: UpdateOptions. */
  readonly optionsKind?: string;
  /** Default: the endpoint's. */
  readonly strategy?: UpdateStrategy;
  /** PATCH never creates by this way. */
  readonly mayCreate?: boolean;
  /** Server-side apply has settled who owns what already. */
  readonly hasManagedFields?: boolean;
}

/** PUT of `body` (served form, normal form). */
export function replaceObject(machine: Machine, call: Call, body: KubernetesObject, options: WriteOptions): Promise<UpdateResult> {
  checkName(body, call);
  return updateObject(machine, call, {
    options,
    makeNext: () => cloneJSON(body),
    mayCreate: call.endpoint.declaration.allowCreateOnUpdate && call.endpoint.subresource === undefined,
  });
}

export async function updateObject(machine: Machine, call: Call, request: UpdateRequest): Promise<UpdateResult> {
  const { declaration } = call.endpoint;
  const store = storeOf(machine, declaration);
  const key = store.keyOf(call.namespace, call.name);
  let finish: FinishWrite = nothingToFinish;
  let isCommitted = false;
  let planned: KubernetesObject | undefined;
  const settle = async (committed: boolean): Promise<void> => {
    const pending = finish;
    finish = nothingToFinish;
    await pending(committed);
  };
  try {
    const { state, change } = await store.update(
      key,
      async (current): Promise<Change> => {
        await settle(false);
        const prepared = await prepareUpdate(machine, call, request, current);
        finish = prepared.finish;
        planned = prepared.stored;
        if (request.options.dryRun) return { keep: true };
        const extension = extensionOf(machine, declaration);
        const isOver = extension?.isReadyForRemoval?.(prepared.stored) ?? isReadyForRemoval(prepared.stored);
        return isOver ? { remove: prepared.stored } : { write: prepared.stored };
      },
      call.signal,
    );
    if (request.options.dryRun) return { state: new CachedObject(key, state.revision, planned as KubernetesObject), isNew: false };
    isCommitted = true;
    if (change === "removed") await extensionOf(machine, declaration)?.afterDelete?.(state.object);
    return { state, isNew: false };
  } catch (error) {
    if (request.mayCreate === true && isStatusError(error, "NotFound") && planned === undefined)
      return createInstead(machine, call, request);
    throw error;
  } finally {
    await settle(isCommitted);
  }
}

async function createInstead(machine: Machine, call: Call, request: UpdateRequest): Promise<UpdateResult> {
  const object = await request.makeNext({});
  const meta = metadataOf(object);
  // A resourceVersion says that the client knew an object which is gone.
  if (meta.resourceVersion && meta.resourceVersion !== "0") throw newNotFound(groupResourceOf(call), call.name);
  delete meta.resourceVersion;
  if (meta.uid) throw newConflict(groupResourceOf(call), call.name, uidPreconditionText(meta.uid, ""));
  return { state: await createObject(machine, call, object, request.options), isNew: true };
}

async function prepareUpdate(
  machine: Machine,
  call: Call,
  request: UpdateRequest,
  current: CachedObject,
): Promise<{ stored: KubernetesObject; finish: FinishWrite }> {
  const { declaration, subresource } = call.endpoint;
  const { options } = request;
  const old = toServedCopy(declaration, current.object);
  const object = await request.makeNext(cloneJSON(old));
  checkVersionAndIdentity(call, object, old);
  const admission = attributesOf(call, {
    operation: "UPDATE",
    object,
    oldObject: old,
    dryRun: options.dryRun,
    kind: declaration.gvk,
    options: writeOptionsDocument(request.optionsKind ?? "UpdateOptions", options),
  });
  await machine.admission.admit(admission);
  declaration.defaults(object);
  const strategy = request.strategy ?? subresource?.strategy ?? declaration.strategy;
  const extension = subresource === undefined ? extensionOf(machine, declaration) : undefined;
  const finish = (await extension?.beginUpdate?.(object, old, call, options.dryRun)) ?? nothingToFinish;
  try {
    for (const warning of beforeUpdate(declaration, strategy, { object, old, context: contextOf(call, machine, options.dryRun) }))
      call.warnings.add(warning);
    if (request.hasManagedFields !== true) machine.managedFields.onUpdate(object, old, { call, options });
    await machine.admission.validate(admission);
    return { stored: toStored(declaration, object), finish };
  } catch (error) {
    await finish(false);
    throw error;
  }
}

/** The object must be based on the stored state, and be the same object. */
function checkVersionAndIdentity(call: Call, object: KubernetesObject, old: KubernetesObject): void {
  const { declaration } = call.endpoint;
  const meta = metadataOf(object);
  const oldMeta = metadataOf(old);
  if (meta.uid && meta.uid !== oldMeta.uid)
    throw newConflict(groupResourceOf(call), call.name, uidPreconditionText(meta.uid, oldMeta.uid ?? ""));
  if (!meta.resourceVersion || meta.resourceVersion === "0") {
    if (!declaration.allowUnconditionalUpdate) {
      throw newInvalid(declaration.gvk, call.name, [field.invalid("metadata.resourceVersion", 0, "must be specified for an update")]);
    }
    if (oldMeta.resourceVersion !== undefined) meta.resourceVersion = oldMeta.resourceVersion;
  } else if (meta.resourceVersion !== oldMeta.resourceVersion) {
    throw newConflict(groupResourceOf(call), call.name, optimisticLockMessage);
  }
}

function uidPreconditionText(wanted: string, present: string): string {
  return `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${present}`;
}
