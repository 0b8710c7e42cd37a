// Deletes, of one object and of collections. Source: k8s.io/apiserver pkg/registry/generic/registry/store.go Delete, DeleteCollection.
import { beforeDelete, cloneJSON, type DeleteOptions, isStatusError, newInvalid, validateDeleteOptions } from "@lenj/apimachinery";
import type { CachedObject } from "../core/cached-object.js";
import type { ListOptions } from "../core/list-options.js";
import { attributesOf } from "./admit.js";
import { type Call, contextOf } from "./call.js";
import { type ListResult, listObjects } from "./list.js";
import { extensionOf, type Machine, storeOf } from "./machine.js";
import type { Change } from "./object-store.js";

export interface DeleteResult {
  /** The last state for objects that are gone, else the state that waits for its end. */
  readonly state: CachedObject;
  readonly isGone: boolean;
}

/** Objects of a collection that are deleted at the same time. */
const collectionWorkers = 4;

export async function deleteObject(machine: Machine, call: Call, options: DeleteOptions): Promise<DeleteResult> {
  const errors = validateDeleteOptions(options);
  if (errors.length > 0) throw newInvalid({ group: "meta.k8s.io", kind: "DeleteOptions" }, "", errors);
  const { declaration } = call.endpoint;
  const store = storeOf(machine, declaration);
  const extension = extensionOf(machine, declaration);
  const dryRun = (options.dryRun ?? []).length > 0;
  let isGone = false;
  const { state, change } = await store.update(
    store.keyOf(call.namespace, call.name),
    async (current): Promise<Change> => {
      const object = cloneJSON(current.object);
      const context = contextOf(call, machine, dryRun);
      const outcome = extension?.beforeDelete?.(object, options, context) ?? beforeDelete(declaration, object, options, context);
      const admission = attributesOf(call, {
        operation: "DELETE",
        object: undefined,
        oldObject: current.object,
        dryRun,
        options: { kind: "DeleteOptions", apiVersion: "meta.k8s.io/v1", ...options },
      });
      await machine.admission.admit(admission);
      await machine.admission.validate(admission);
      isGone = outcome === "remove";
      if (dryRun || outcome === "pending") return { keep: true };
      return outcome === "remove" ? { remove: object } : { write: object };
    },
    call.signal,
  );
  if (change === "removed") await extension?.afterDelete?.(state.object);
  return { state, isGone };
}

/** Deletes everything that `select` finds; returns what was found. Objects that are gone meanwhile are no failure. */
export async function deleteCollection(machine: Machine, call: Call, select: ListOptions, options: DeleteOptions): Promise<ListResult> {
  const found = await listObjects(machine, call, select);
  const waiting = [...found.states];
  const work = async (): Promise<void> => {
    for (let state = waiting.shift(); state !== undefined; state = waiting.shift()) {
      call.signal.throwIfAborted();
      try {
        await deleteObject(machine, { ...call, namespace: state.namespace, name: state.name }, options);
      } catch (error) {
        if (!isStatusError(error, "NotFound")) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: collectionWorkers }, work));
  return found;
}
