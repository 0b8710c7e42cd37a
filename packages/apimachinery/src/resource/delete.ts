// Decides what a DELETE does. Source: k8s.io/apiserver pkg/registry/rest/delete.go, registry/generic/registry/store.go.
//
// L1. An object with a deletionTimestamp never loses it, and its grace period only shrinks.
// L2. An object is removed only when its grace period is over (0 or absent) and it has no finalizers.
import { newConflict, newInvalid } from "../errors/status-error.js";
import { type FieldError, invalid, notSupported } from "../field/field-error.js";
import { type KubernetesObject, metadataOf, type ObjectMeta } from "../meta/object.js";
import { formatTime, type RequestContext } from "./context.js";
import type { ResourceDeclaration } from "./declaration.js";

export type PropagationPolicy = "Background" | "Foreground" | "Orphan";

export interface DeleteOptions {
  gracePeriodSeconds?: number | null | undefined;
  preconditions?: { uid?: string | undefined; resourceVersion?: string | undefined } | null | undefined;
  orphanDependents?: boolean | null | undefined;
  propagationPolicy?: string | null | undefined;
  dryRun?: string[] | null | undefined;
}

/**
 * remove:  take the object out of the store.
 * update:  store the object, which was changed to say that it is being deleted.
 * pending: it is being deleted already and nothing changes; answer with it.
 */
export type DeleteOutcome = "remove" | "update" | "pending";

export function validateDeleteOptions(options: DeleteOptions): FieldError[] {
  const errors: FieldError[] = [];
  const policy = options.propagationPolicy;
  if (policy !== undefined && policy !== null) {
    if (options.orphanDependents !== undefined && options.orphanDependents !== null) {
      errors.push(invalid("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set"));
    }
    if (policy !== "Foreground" && policy !== "Background" && policy !== "Orphan") {
      errors.push(notSupported("propagationPolicy", policy, ["Foreground", "Background", "Orphan", "nil"]));
    }
  }
  if ((options.dryRun ?? []).some((value) => value !== "All")) errors.push(notSupported("dryRun", options.dryRun, ["All"]));
  return errors;
}

/**
 * Applies a delete request to a copy of the stored object, in place. Throws StatusError Invalid for bad options and Conflict for a precondition.
 */
export function beforeDelete<T extends KubernetesObject>(
  declaration: ResourceDeclaration<T>,
  object: T,
  options: DeleteOptions,
  context: RequestContext,
): DeleteOutcome {
  const errors = validateDeleteOptions(options);
  if (errors.length > 0) throw newInvalid({ group: "meta.k8s.io", kind: "DeleteOptions" }, "", errors);
  const meta = metadataOf(object);
  checkPreconditions(declaration, meta, options);
  const finalizersChanged = applyPropagation(declaration, meta, options);
  const graceful = applyGracePeriod(declaration, object, options, context);
  if (graceful === "update") return "update";
  if (graceful === "pending") return finalizersChanged ? "update" : "pending";
  if ((meta.finalizers ?? []).length === 0) {
    // Clients of kinds that end gracefully see in the answer that this was the end.
    if (declaration.gracefulDeletion !== undefined) markDeleting(meta, context);
    return "remove";
  }
  return markDeleting(meta, context) || finalizersChanged ? "update" : "pending";
}

/** True when an update left an object that was waiting for its finalizers with none: it is to be removed. Source: store.go deleteWithoutFinalizers. */
export function isReadyForRemoval(object: KubernetesObject): boolean {
  const meta = object.metadata ?? {};
  return Boolean(meta.deletionTimestamp) && (meta.finalizers ?? []).length === 0 && (meta.deletionGracePeriodSeconds ?? 0) === 0;
}

function checkPreconditions(declaration: Pick<ResourceDeclaration, "gvk">, meta: ObjectMeta, options: DeleteOptions): void {
  const wanted = options.preconditions;
  if (wanted === undefined || wanted === null) return;
  const subject = { group: declaration.gvk.group, resource: declaration.gvk.kind };
  if (wanted.uid !== undefined && wanted.uid !== meta.uid) {
    throw newConflict(
      subject,
      meta.name ?? "",
      `the UID in the precondition (${wanted.uid}) does not match the UID in record (${meta.uid ?? ""}). The object might have been deleted and then recreated`,
    );
  }
  if (wanted.resourceVersion !== undefined && wanted.resourceVersion !== meta.resourceVersion) {
    throw newConflict(
      subject,
      meta.name ?? "",
      `the ResourceVersion in the precondition (${wanted.resourceVersion}) does not match the ResourceVersion in record (${meta.resourceVersion ?? ""}). The object might have been modified`,
    );
  }
}

/** Sets or takes away the garbage collector's two finalizers; tells whether anything changed. */
function applyPropagation(
  declaration: Pick<ResourceDeclaration, "defaultDeletionPolicy">,
  meta: ObjectMeta,
  options: DeleteOptions,
): boolean {
  if (declaration.defaultDeletionPolicy === "Unsupported") return false;
  const before = meta.finalizers ?? [];
  const orphan = shouldCarry("orphan", declaration.defaultDeletionPolicy, before, options);
  const foreground = shouldCarry("foregroundDeletion", declaration.defaultDeletionPolicy, before, options);
  const after = before.filter((finalizer) => finalizer !== "orphan" && finalizer !== "foregroundDeletion");
  if (orphan) after.push("orphan");
  if (foreground) after.push("foregroundDeletion");
  const changed = after.length !== before.length || after.some((finalizer) => !before.includes(finalizer));
  if (changed) meta.finalizers = after;
  if (meta.finalizers?.length === 0) delete meta.finalizers;
  return changed;
}

function shouldCarry(
  finalizer: "orphan" | "foregroundDeletion",
  byDefault: "Background" | "Orphan",
  present: readonly string[],
  options: DeleteOptions,
): boolean {
  const policy = finalizer === "orphan" ? "Orphan" : "Foreground";
  if (options.orphanDependents !== undefined && options.orphanDependents !== null)
    return finalizer === "orphan" && options.orphanDependents;
  if (options.propagationPolicy !== undefined && options.propagationPolicy !== null) return options.propagationPolicy === policy;
  // What an earlier request asked for stands until another says otherwise.
  if (present.includes(finalizer)) return true;
  return finalizer === "orphan" && byDefault === "Orphan";
}

function applyGracePeriod<T extends KubernetesObject>(
  declaration: ResourceDeclaration<T>,
  object: T,
  options: DeleteOptions,
  context: RequestContext,
): DeleteOutcome {
  const graceful = declaration.gracefulDeletion;
  if (graceful === undefined) return "remove";
  const meta = metadataOf(object);
  // A negative period means one second.
  const requested =
    options.gracePeriodSeconds === undefined || options.gracePeriodSeconds === null
      ? undefined
      : options.gracePeriodSeconds < 0
        ? 1
        : options.gracePeriodSeconds;
  if (meta.deletionTimestamp) return shortenGracePeriod(meta, requested, context);
  const period = graceful.gracePeriodSeconds(object, requested, context);
  if (period === 0) return "remove";
  meta.deletionTimestamp = formatTime(context.clock.wallMs() + period * 1000);
  meta.deletionGracePeriodSeconds = period;
  if (meta.generation) meta.generation += 1;
  return "update";
}

function shortenGracePeriod(meta: ObjectMeta, requested: number | undefined, context: RequestContext): DeleteOutcome {
  const current = meta.deletionGracePeriodSeconds ?? 0;
  if (current === 0) return "remove";
  if (requested === undefined || requested >= current) return "pending";
  let period = requested;
  let deadlineMs = Date.parse(meta.deletionTimestamp ?? "") + (requested - current) * 1000;
  if (deadlineMs < context.clock.wallMs()) {
    deadlineMs = context.clock.wallMs();
    // Whoever runs the object still has to confirm its end, so a graceful request stays graceful.
    if (period !== 0) period = 1;
  }
  if (period === 0) return "remove";
  meta.deletionTimestamp = formatTime(deadlineMs);
  meta.deletionGracePeriodSeconds = period;
  return "update";
}

function markDeleting(meta: ObjectMeta, context: RequestContext): boolean {
  const nowMs = context.clock.wallMs();
  let changed = false;
  if (!meta.deletionTimestamp) {
    meta.deletionTimestamp = formatTime(nowMs);
    // Controllers see that the object's desired state changed.
    if (meta.generation) meta.generation += 1;
    changed = true;
  } else if (Date.parse(meta.deletionTimestamp) > nowMs) {
    meta.deletionTimestamp = formatTime(nowMs);
    changed = true;
  }
  if (meta.deletionGracePeriodSeconds !== 0) {
    meta.deletionGracePeriodSeconds = 0;
    changed = true;
  }
  return changed;
}
