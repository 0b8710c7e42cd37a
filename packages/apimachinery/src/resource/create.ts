// What the server does to an object before it first stores it. Source: k8s.io/apiserver pkg/registry/rest/create.go, meta.go.
import { invariant } from "@lenj/base";
import { newBadRequest, newInvalid } from "../errors/status-error.js";
import { generateName, generateUID } from "../meta/generate-name.js";
import { type KubernetesObject, metadataOf, type ObjectMeta } from "../meta/object.js";
import { nameIsPathSegment } from "../validation/names.js";
import { validateObjectMeta } from "../validation/object-meta.js";
import { formatTime, type RequestContext } from "./context.js";
import type { ResourceDeclaration } from "./declaration.js";

/**
 * First step of a create, before admission: takes away what clients may not set, then gives uid, creation time and, when asked for, a generated
 * name. Call again with `regenerate` after a generated name turned out to be taken.
 */
export function initializeNewObject(object: KubernetesObject, context: RequestContext, regenerate = false): void {
  const meta = metadataOf(object);
  delete meta.deletionTimestamp;
  delete meta.deletionGracePeriodSeconds;
  delete meta.selfLink;
  meta.creationTimestamp = formatTime(context.clock.wallMs());
  meta.uid = generateUID(context.random);
  if (meta.generateName && (!meta.name || regenerate)) meta.name = generateName(meta.generateName, context.random);
}

/** Fills an empty namespace from the URL; a different one is a bad request. */
export function ensureNamespace(meta: ObjectMeta, declaration: Pick<ResourceDeclaration, "scope">, context: RequestContext): void {
  const expected = declaration.scope === "Namespaced" ? context.namespace : "";
  if ((meta.namespace ?? "") === expected) return;
  if (!meta.namespace) {
    meta.namespace = expected;
    return;
  }
  if (expected === "") {
    delete meta.namespace;
    return;
  }
  throw newBadRequest("the namespace of the provided object does not match the namespace sent on the request");
}

/**
 * Last step of a create, after mutating admission: prepares, validates and brings to normal form.
 * The object must have been through initializeNewObject. Returns the warnings for the client.
 * Throws StatusError Invalid with every error, or BadRequest.
 */
export function beforeCreate<T extends KubernetesObject>(
  declaration: ResourceDeclaration<T>,
  object: T,
  context: RequestContext,
): string[] {
  const meta = metadataOf(object);
  invariant(meta.uid !== undefined && meta.uid !== "", () => "cannot create: system metadata was not initialized");
  ensureNamespace(meta, declaration, context);
  const { strategy } = declaration;
  if (declaration.hasGeneration) meta.generation = 1;
  else delete meta.generation;
  strategy.prepareForCreate?.(object, context);
  // The kind's own messages come first; the looser rule for names is the backstop.
  const own = [
    ...validateObjectMeta(meta, { namespaced: declaration.scope === "Namespaced", validateName: declaration.validateName }),
    ...(strategy.validateCreate?.(object, context) ?? []),
  ];
  if (own.length > 0) throw newInvalid(declaration.gvk, meta.name ?? "", own);
  const generic = validateObjectMeta(meta, { namespaced: declaration.scope === "Namespaced", validateName: nameIsPathSegment });
  if (generic.length > 0) throw newInvalid(declaration.gvk, meta.name ?? "", generic);
  const warnings = strategy.warningsOnCreate?.(object, context) ?? [];
  strategy.canonicalize?.(object);
  return warnings;
}
