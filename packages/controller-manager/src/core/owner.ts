// Who controls an object, and what to do about objects that match a selector. Source: pkg/controller/controller_ref_manager.go.
import type { Selector } from "@lenj/apimachinery";
import type { KubeObject } from "@lenj/client";
import type { metav1 } from "@lenj/proto/k8s";

export interface OwnerKind {
  readonly apiVersion: string;
  readonly kind: string;
}

/** The owner reference that has `controller: true`. */
export function controllerOf(object: KubeObject): metav1.OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((reference) => reference.controller === true);
}

export function controllerReference(owner: KubeObject, kind: OwnerKind): metav1.OwnerReference {
  return {
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    name: owner.metadata?.name ?? "",
    uid: owner.metadata?.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

export interface Claims<T> {
  /** Controlled by the owner and matching. */
  readonly owned: T[];
  /** Orphans that match: the owner should become their controller. */
  readonly adopt: T[];
  /** Controlled by the owner but no longer matching: let go. */
  readonly release: T[];
}

/** Pure: says what should change; an owner that is being deleted neither adopts nor releases. */
export function planClaims<T extends KubeObject>(owner: KubeObject, selector: Selector, candidates: readonly T[]): Claims<T> {
  const claims: Claims<T> = { owned: [], adopt: [], release: [] };
  const isLeaving = owner.metadata?.deletionTimestamp !== undefined;
  for (const object of candidates) {
    const controller = controllerOf(object);
    const isMatch = selector.matches(object.metadata?.labels);
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata?.uid) continue;
      if (isMatch) claims.owned.push(object);
      else if (!isLeaving) claims.release.push(object);
    } else if (isMatch && !isLeaving && object.metadata?.deletionTimestamp === undefined) {
      claims.adopt.push(object);
    }
  }
  return claims;
}
