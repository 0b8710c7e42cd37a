// Decides which pods a ReplicaSet creates or deletes. Source: pkg/controller/replicaset/replica_set.go.
import type { appsv1, corev1 } from "@lenj/proto/k8s";
import { compareForDeletion } from "./deletion-rank.js";

/** At most this many pods are created or deleted in one reconcile. */
export const BURST_REPLICAS = 500;

export type ReplicaSetAction =
  | { readonly verb: "createPods"; readonly count: number; readonly because: string }
  | { readonly verb: "deletePods"; readonly pods: readonly corev1.Pod[]; readonly because: string };

export interface ObservedReplicaSet {
  readonly replicaSet: appsv1.ReplicaSet;
  /** Pods it controls, active ones only. */
  readonly activePods: readonly corev1.Pod[];
  /** Active pods a node of all ReplicaSets with the same owner: crowded nodes give up pods first. */
  readonly relatedPodsByNode: ReadonlyMap<string, number>;
  readonly nowMs: number;
}

/** Undefined: the number is right. */
export function planReplicaSet(observed: ObservedReplicaSet): ReplicaSetAction | undefined {
  const want = observed.replicaSet.spec?.replicas ?? 1;
  const have = observed.activePods.length;
  const because = `${have} pods, spec.replicas is ${want}`;
  if (have < want) return { verb: "createPods", count: Math.min(want - have, BURST_REPLICAS), because };
  if (have === want) return undefined;
  const count = Math.min(have - want, BURST_REPLICAS);
  return { verb: "deletePods", pods: podsToDelete(observed, count), because };
}

function podsToDelete({ activePods, relatedPodsByNode, nowMs }: ObservedReplicaSet, count: number): corev1.Pod[] {
  // Ranking is for choosing; when all go there is nothing to choose.
  if (count >= activePods.length) return [...activePods];
  return [...activePods].sort(compareForDeletion(relatedPodsByNode, nowMs)).slice(0, count);
}
