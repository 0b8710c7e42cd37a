// Rolling update: replaces old pods by new ones, never above replicas + maxSurge nor below replicas - maxUnavailable.
//
// RU1. After every step the sum of all sizes is at most replicas + maxSurge (unless it was above before).
// RU2. Old pods that serve go only as far as available pods stay at replicas - maxUnavailable.
// RU3. Old pods that do not serve go first: they cost no availability.
// Example: 10 replicas, surge 3, unavailable 2: at most 13 pods, at least 8 available. Start 10 old: +3 new, -2 old
// (8 old + 3 new); each new one that becomes available lets one more old one go and one more new one come.
// Source: pkg/controller/deployment/rolling.go.
import type { appsv1 } from "@lenj/proto/k8s";
import {
  byCreation,
  desiredReplicas,
  isRolling,
  maxSurge,
  maxUnavailable,
  type ReplicaSetDraft,
  resize,
  sumReplicas,
  sumStatus,
} from "./replica-sets.js";

/** The size that the new ReplicaSet may have now. */
export function newReplicaSetSize(deployment: appsv1.Deployment, all: readonly ReplicaSetDraft[], current: ReplicaSetDraft): number {
  const replicas = desiredReplicas(deployment);
  if (!isRolling(deployment)) return replicas;
  const total = sumReplicas(all);
  const limit = replicas + maxSurge(deployment);
  if (total >= limit) return current.replicas;
  return current.replicas + Math.min(limit - total, replicas - current.replicas);
}

/** True when a size changed: one side moves a reconcile, and the status of the other is awaited. */
export function rollNew(deployment: appsv1.Deployment, all: readonly ReplicaSetDraft[], current: ReplicaSetDraft): boolean {
  const replicas = desiredReplicas(deployment);
  if (current.replicas === replicas) return false;
  if (current.replicas > replicas) return resize(current, replicas, deployment, `spec.replicas is ${replicas}`);
  const size = newReplicaSetSize(deployment, all, current);
  return resize(current, size, deployment, `${sumReplicas(all)} pods of at most ${replicas + maxSurge(deployment)}`);
}

export function rollOld(deployment: appsv1.Deployment, old: readonly ReplicaSetDraft[], current: ReplicaSetDraft): boolean {
  if (sumReplicas(old) === 0) return false;
  const all = [...old, current];
  const minAvailable = desiredReplicas(deployment) - maxUnavailable(deployment);
  const newUnavailable = current.replicas - (current.object.status?.availableReplicas ?? 0);
  const budget = sumReplicas(all) - minAvailable - newUnavailable;
  if (budget <= 0) return false;
  const sorted = [...old].sort((a, b) => byCreation(a.object, b.object));
  const cleaned = cleanUpUnhealthy(deployment, sorted, budget);
  const scaled = scaleDownHealthy(deployment, sorted, sumStatus(all, "availableReplicas") - minAvailable);
  return cleaned + scaled > 0;
}

function cleanUpUnhealthy(deployment: appsv1.Deployment, old: readonly ReplicaSetDraft[], budget: number): number {
  let cleaned = 0;
  for (const draft of old) {
    if (cleaned >= budget) break;
    const unhealthy = draft.replicas - (draft.object.status?.availableReplicas ?? 0);
    if (draft.replicas === 0 || unhealthy <= 0) continue;
    const count = Math.min(budget - cleaned, unhealthy);
    resize(draft, draft.replicas - count, deployment, `${unhealthy} old pods are not available`);
    cleaned += count;
  }
  return cleaned;
}

function scaleDownHealthy(deployment: appsv1.Deployment, old: readonly ReplicaSetDraft[], spare: number): number {
  let scaled = 0;
  for (const draft of old) {
    if (scaled >= spare) break;
    if (draft.replicas === 0) continue;
    const count = Math.min(draft.replicas, spare - scaled);
    resize(draft, draft.replicas - count, deployment, `${spare} available pods more than needed`);
    scaled += count;
  }
  return scaled;
}
