// What the server does to an object before it replaces a stored one. Source: k8s.io/apiserver pkg/registry/rest/update.go.
import { newInvalid } from "../errors/status-error.js";
import { type KubernetesObject, metadataOf } from "../meta/object.js";
import { nameIsPathSegment } from "../validation/names.js";
import { validateObjectMeta, validateObjectMetaUpdate } from "../validation/object-meta.js";
import type { RequestContext } from "./context.js";
import { ensureNamespace } from "./create.js";
import type { ResourceDeclaration, UpdateStrategy } from "./declaration.js";

/**
 * Runs after mutating admission, with both objects defaulted. `strategy` is the endpoint's: the declaration's own, or a subresource's.
 * The new object must carry the resourceVersion to be replaced (the caller fills it in for unconditional updates).
 * Raises metadata.generation where the kind says so; returns warnings; throws StatusError Invalid with every error.
 */
export function beforeUpdate<T extends KubernetesObject>(
  declaration: ResourceDeclaration<T>,
  strategy: UpdateStrategy<T>,
  objects: { object: T; old: T; context: RequestContext },
): string[] {
  const { object, old, context } = objects;
  const meta = metadataOf(object);
  const oldMeta = metadataOf(old);
  ensureNamespace(meta, declaration, context);
  assign(meta, "generation", oldMeta.generation);
  strategy.prepareForUpdate?.(object, old, context);
  if (declaration.hasGeneration && declaration.generationChanges(object, old)) meta.generation = (oldMeta.generation ?? 0) + 1;
  if (!meta.uid) assign(meta, "uid", oldMeta.uid);
  if (oldMeta.creationTimestamp) meta.creationTimestamp = oldMeta.creationTimestamp;
  if (oldMeta.deletionTimestamp) meta.deletionTimestamp = oldMeta.deletionTimestamp;
  if (meta.deletionGracePeriodSeconds === undefined) assign(meta, "deletionGracePeriodSeconds", oldMeta.deletionGracePeriodSeconds);
  const errors = [
    ...validateObjectMeta(meta, { namespaced: declaration.scope === "Namespaced", validateName: nameIsPathSegment }),
    ...validateObjectMetaUpdate(meta, oldMeta),
    ...(strategy.validateUpdate?.(object, old, context) ?? []),
  ];
  if (errors.length > 0) throw newInvalid(declaration.gvk, meta.name ?? "", errors);
  const warnings = strategy.warningsOnUpdate?.(object, old, context) ?? [];
  strategy.canonicalize?.(object);
  return warnings;
}

function assign<T extends object, K extends keyof T>(target: T, key: K, value: T[K] | undefined): void {
  if (value === undefined) delete target[key];
  else target[key] = value;
}
