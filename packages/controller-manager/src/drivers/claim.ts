// Executes claims: becomes the controller of matching orphans, lets go of what no longer matches.
// Source: pkg/controller/controller_ref_manager.go.
import { type ApiClient, type GroupVersionResource, isInvalid, isNotFound, type KubeObject } from "@lenj/client";
import type { metav1 } from "@lenj/proto/k8s";
import { type Claims, controllerReference, type OwnerKind } from "../core/owner.js";

export interface ClaimOptions {
  readonly client: ApiClient;
  readonly owner: KubeObject;
  readonly ownerKind: OwnerKind;
  readonly ownerResource: GroupVersionResource;
  readonly resource: GroupVersionResource;
  readonly signal: AbortSignal;
}

/**
 * The objects that the owner controls afterwards. Before adopting, the owner is read from the api-server: a stale cache
 * must not make a deleted owner, or a namesake, adopt.
 */
export async function executeClaims<T extends KubeObject>(claims: Claims<T>, options: ClaimOptions): Promise<T[]> {
  const owned = [...claims.owned];
  if (claims.adopt.length > 0) await assertOwnerLives(options);
  for (const object of claims.adopt) {
    const reference = controllerReference(options.owner, options.ownerKind);
    const adopted = await patchOwners(object, [...(object.metadata?.ownerReferences ?? []), reference], options);
    if (adopted !== undefined) owned.push(adopted);
  }
  for (const object of claims.release) {
    const others = (object.metadata?.ownerReferences ?? []).filter((reference) => reference.uid !== options.owner.metadata?.uid);
    await patchOwners(object, others, options);
  }
  return owned;
}

async function assertOwnerLives({ client, owner, ownerResource, signal }: ClaimOptions): Promise<void> {
  const { namespace, name = "", uid } = owner.metadata ?? {};
  const fresh = await client.get(ownerResource, { name, ...(namespace !== undefined && { namespace }) }, { signal });
  if (fresh.metadata?.uid !== uid)
    throw new Error(`original ${namespace ?? ""}/${name} is gone: got uid ${fresh.metadata?.uid ?? ""}, wanted ${uid ?? ""}`);
  if (fresh.metadata?.deletionTimestamp !== undefined)
    throw new Error(`${namespace ?? ""}/${name} has just been deleted at ${fresh.metadata.deletionTimestamp}`);
}

/** Undefined: the object is gone or changed its identity, so there is nothing to claim. */
async function patchOwners<T extends KubeObject>(
  object: T,
  ownerReferences: metav1.OwnerReference[],
  options: ClaimOptions,
): Promise<T | undefined> {
  const { namespace, name = "", uid, resourceVersion } = object.metadata ?? {};
  const key = { name, ...(namespace !== undefined && { namespace }) };
  try {
    const body = { metadata: { uid, resourceVersion, ownerReferences } };
    return await options.client.patch<T>(options.resource, key, { type: "merge", body }, { signal: options.signal });
  } catch (error) {
    if (isNotFound(error) || isInvalid(error)) return undefined;
    throw error;
  }
}
