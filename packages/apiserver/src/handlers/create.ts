// Creates. Source: k8s.io/apiserver pkg/endpoints/handlers/create.go, pkg/registry/generic/registry/store.go Create.
import {
  beforeCreate,
  cloneJSON,
  ensureNamespace,
  initializeNewObject,
  isStatusError,
  type KubernetesObject,
  metadataOf,
  newBadRequest,
  newGenerateNameConflict,
  newPlainError,
  type RequestContext,
} from "@lenj/apimachinery";
import { CachedObject } from "../core/cached-object.js";
import { attributesOf } from "./admit.js";
import { type Call, contextOf, groupResourceOf, type WriteOptions } from "./call.js";
import { nothingToFinish } from "./extension.js";
import { extensionOf, type Machine, storeOf } from "./machine.js";
import { toStored } from "./served.js";

/** Tries of a generated name before the client is told. Source: store.go maxNameGenerationCreateAttempts. */
const generatedNameAttempts = 8;

export interface CreateSettings {
  /** Server-side apply has settled who owns what already. */
  readonly hasManagedFields?: boolean;
}

/**
 * Creates `object` (in served form, in normal form; taken over). Returns the stored state; for a dry run the state that would have been
 * stored, with revision 0.
 */
export async function createObject(
  machine: Machine,
  call: Call,
  object: KubernetesObject,
  options: WriteOptions,
  settled: CreateSettings = {},
): Promise<CachedObject> {
  const { declaration } = call.endpoint;
  const context = contextOf(call, machine, options.dryRun);
  const meta = metadataOf(object);
  ensureNamespace(meta, declaration, context);
  if (declaration.scope === "Namespaced" && call.namespace === "") throw newBadRequest("an empty namespace may not be set during creation");
  if (meta.resourceVersion) throw newPlainError("resourceVersion should not be set on objects to be created");
  delete meta.resourceVersion;
  const isGenerated = !meta.name && Boolean(meta.generateName);
  for (let attempt = 1; ; attempt += 1) {
    // A retry starts from what the client sent, as if it had just arrived.
    const candidate = isGenerated ? cloneJSON(object) : object;
    initializeNewObject(candidate, context);
    try {
      return await createOnce(machine, call, candidate, { options, context, settled });
    } catch (error) {
      if (!isGenerated || !isStatusError(error, "AlreadyExists")) throw error;
      if (attempt >= generatedNameAttempts) throw newGenerateNameConflict(groupResourceOf(call), candidate.metadata?.name ?? "");
    }
  }
}

async function createOnce(
  machine: Machine,
  call: Call,
  object: KubernetesObject,
  run: { options: WriteOptions; context: RequestContext; settled: CreateSettings },
): Promise<CachedObject> {
  const { options, context } = run;
  const { declaration } = call.endpoint;
  const { dryRun } = options;
  const admission = attributesOf(call, {
    operation: "CREATE",
    object,
    oldObject: undefined,
    dryRun,
    options: writeOptionsDocument("CreateOptions", options),
  });
  await machine.admission.admit(admission);
  declaration.defaults(object);
  const finish = (await extensionOf(machine, declaration)?.beginCreate?.(object, call, dryRun)) ?? nothingToFinish;
  let isCommitted = false;
  try {
    for (const warning of beforeCreate(declaration, object, context)) call.warnings.add(warning);
    if (run.settled.hasManagedFields !== true) machine.managedFields.onCreate(object, { call, options });
    await machine.admission.validate(admission);
    const store = storeOf(machine, declaration);
    const key = store.keyOf(call.namespace, object.metadata?.name ?? "");
    const stored = toStored(declaration, object);
    if (dryRun) return new CachedObject(key, 0, stored);
    const created = await store.create(key, stored, call.signal);
    isCommitted = true;
    return created;
  } finally {
    await finish(isCommitted);
  }
}

export function writeOptionsDocument(kind: string, options: WriteOptions): Record<string, unknown> {
  return {
    kind,
    apiVersion: "meta.k8s.io/v1",
    ...(options.dryRun && { dryRun: ["All"] }),
    fieldManager: options.fieldManager,
    fieldValidation: options.fieldValidation,
  };
}
