// Who owns whom, as far as the watches have shown it. Pure; the api-server has the last word before anything is deleted.
//
// G1. `dependents` of a uid are exactly the known objects that name it as an owner.
// G2. An object is never deleted on the word of this graph alone.
// Source: pkg/controller/garbagecollector/graph.go.
import type { KubeObject } from "@lenj/client";
import type { metav1 } from "@lenj/proto/k8s";
import type { CatalogEntry } from "../../core/resource-catalog.js";

export interface GraphNode {
  readonly uid: string;
  readonly resource: CatalogEntry;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly owners: readonly metav1.OwnerReference[];
  readonly isDeleting: boolean;
  readonly finalizers: readonly string[];
}

export const FOREGROUND = "foregroundDeletion";
export const ORPHAN = "orphan";

export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  dependentsOf(uid: string): GraphNode[] {
    return [...(this.#dependents.get(uid) ?? [])].flatMap((dependent) => this.#nodes.get(dependent) ?? []);
  }

  put(resource: CatalogEntry, object: KubeObject): GraphNode {
    const { uid = "", namespace, name = "", ownerReferences = [], deletionTimestamp, finalizers = [] } = object.metadata ?? {};
    const node: GraphNode = {
      uid,
      resource,
      namespace,
      name,
      owners: ownerReferences,
      isDeleting: deletionTimestamp !== undefined,
      finalizers,
    };
    this.#unlink(uid);
    this.#nodes.set(uid, node);
    for (const owner of ownerReferences) {
      const dependents = this.#dependents.get(owner.uid) ?? new Set();
      this.#dependents.set(owner.uid, dependents.add(uid));
    }
    return node;
  }

  remove(uid: string): GraphNode | undefined {
    const node = this.#nodes.get(uid);
    this.#unlink(uid);
    this.#nodes.delete(uid);
    return node;
  }

  #unlink(uid: string): void {
    for (const owner of this.#nodes.get(uid)?.owners ?? []) {
      const dependents = this.#dependents.get(owner.uid);
      dependents?.delete(uid);
      if (dependents?.size === 0) this.#dependents.delete(owner.uid);
    }
  }
}

export type OwnerState = "solid" | "absent" | "waiting";

export type CollectDecision =
  | { readonly verb: "keep" }
  | { readonly verb: "dropOwners"; readonly uids: readonly string[]; readonly because: string }
  | { readonly verb: "delete"; readonly policy: "Foreground" | "Background" | "Orphan"; readonly because: string };

/** What becomes of an object whose owners were looked up. One living owner keeps it. */
export function planCollect(
  states: ReadonlyMap<string, OwnerState>,
  hasDependents: boolean,
  finalizers: readonly string[],
): CollectDecision {
  const uidsIn = (wanted: OwnerState): string[] => [...states].filter(([, state]) => state === wanted).map(([uid]) => uid);
  if (states.size === 0) return { verb: "keep" };
  const gone = [...uidsIn("absent"), ...uidsIn("waiting")];
  if (uidsIn("solid").length > 0)
    return gone.length === 0 ? { verb: "keep" } : { verb: "dropOwners", uids: gone, because: "another owner keeps the object" };
  if (uidsIn("waiting").length > 0 && hasDependents)
    return { verb: "delete", policy: "Foreground", because: "an owner waits for its dependents to go" };
  if (finalizers.includes(ORPHAN)) return { verb: "delete", policy: "Orphan", because: "no owner is left" };
  return { verb: "delete", policy: finalizers.includes(FOREGROUND) ? "Foreground" : "Background", because: "no owner is left" };
}
