// Resizing a Deployment outside of a rollout step: while paused, or when spec.replicas changed in the middle of one.
//
// Example: 10 replicas, surge 3, in mid-rollout as 8 old + 5 new; resized to 15 (limit 18, so 5 more): each ReplicaSet
// grows in proportion to its share of the former limit of 13, and the largest one takes what rounding left over.
// Source: pkg/controller/deployment/sync.go scale().
import type { appsv1 } from "@lenj/proto/k8s";
import {
  annotatedSize,
  byCreation,
  desiredReplicas,
  isRolling,
  maxSurge,
  type ReplicaSetDraft,
  resize,
  sumReplicas,
} from "./replica-sets.js";

/** True when the Deployment was resized since its ReplicaSets were last scaled. */
export function isScalingEvent(deployment: appsv1.Deployment, all: readonly ReplicaSetDraft[]): boolean {
  return all.some((draft) => {
    const { desired } = annotatedSize(draft);
    return draft.replicas > 0 && desired !== undefined && desired !== desiredReplicas(deployment);
  });
}

export function scale(deployment: appsv1.Deployment, current: ReplicaSetDraft | undefined, old: readonly ReplicaSetDraft[]): void {
  const replicas = desiredReplicas(deployment);
  const because = `spec.replicas is ${replicas}`;
  const only = activeOrLatest(current, old);
  if (only !== undefined) {
    if (only.replicas !== replicas) resize(only, replicas, deployment, because);
    return;
  }
  if (current !== undefined && isSaturated(deployment, current)) {
    for (const draft of old.filter((candidate) => candidate.replicas > 0))
      resize(draft, 0, deployment, "the new ReplicaSet has all its pods");
    return;
  }
  if (isRolling(deployment))
    scaleInProportion(
      deployment,
      [...old, ...(current === undefined ? [] : [current])].filter((draft) => draft.replicas > 0),
      because,
    );
}

/** The one that has pods; when none has, the newest. Undefined when several have. */
function activeOrLatest(current: ReplicaSetDraft | undefined, old: readonly ReplicaSetDraft[]): ReplicaSetDraft | undefined {
  const active = [...old, ...(current === undefined ? [] : [current])].filter((draft) => draft.replicas > 0);
  if (active.length > 1) return undefined;
  return active[0] ?? current ?? [...old].sort((a, b) => byCreation(b.object, a.object))[0];
}

function isSaturated(deployment: appsv1.Deployment, current: ReplicaSetDraft): boolean {
  const replicas = desiredReplicas(deployment);
  return (
    current.replicas === replicas &&
    annotatedSize(current).desired === replicas &&
    (current.object.status?.availableReplicas ?? 0) === replicas
  );
}

function scaleInProportion(deployment: appsv1.Deployment, active: readonly ReplicaSetDraft[], because: string): void {
  const replicas = desiredReplicas(deployment);
  const limit = replicas > 0 ? replicas + maxSurge(deployment) : 0;
  const toAdd = limit - sumReplicas(active);
  const sorted = [...active].sort(toAdd > 0 ? bySizeNewer : bySizeOlder);
  const sizes = new Map<ReplicaSetDraft, number>();
  let added = 0;
  for (const draft of sorted) {
    const share = toAdd === 0 ? 0 : proportion(deployment, draft, toAdd, added);
    sizes.set(draft, draft.replicas + share);
    added += share;
  }
  const [largest] = sorted;
  if (largest !== undefined) sizes.set(largest, Math.max(0, (sizes.get(largest) ?? 0) + toAdd - added));
  for (const [draft, size] of sizes) resize(draft, size, deployment, because);
}

function proportion(deployment: appsv1.Deployment, draft: ReplicaSetDraft, toAdd: number, added: number): number {
  const rest = toAdd - added;
  if (draft.replicas === 0 || rest === 0) return 0;
  const fraction = fractionOf(deployment, draft);
  return toAdd > 0 ? Math.min(fraction, rest) : Math.max(fraction, rest);
}

function fractionOf(deployment: appsv1.Deployment, draft: ReplicaSetDraft): number {
  const replicas = desiredReplicas(deployment);
  if (replicas === 0) return -draft.replicas;
  const before = annotatedSize(draft).max ?? deployment.status?.replicas ?? 0;
  if (before === 0) return 0;
  return Math.round((draft.replicas * (replicas + maxSurge(deployment))) / before) - draft.replicas;
}

function bySizeNewer(a: ReplicaSetDraft, b: ReplicaSetDraft): number {
  return b.replicas - a.replicas || byCreation(b.object, a.object);
}

function bySizeOlder(a: ReplicaSetDraft, b: ReplicaSetDraft): number {
  return b.replicas - a.replicas || byCreation(a.object, b.object);
}
