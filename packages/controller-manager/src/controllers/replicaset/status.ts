// The status of a ReplicaSet. Source: pkg/controller/replicaset/replica_set_utils.go.
import { compileLabelMap } from "@lenj/apimachinery";
import type { appsv1, corev1 } from "@lenj/proto/k8s";
import { isPodAvailable, isPodReady } from "../../core/pod-state.js";
import { formatTime } from "../../core/time.js";

export interface ReplicaSetStatusInput {
  readonly replicaSet: appsv1.ReplicaSet;
  readonly activePods: readonly corev1.Pod[];
  readonly terminatingPods: readonly corev1.Pod[];
  /** Why pods could not be made or deleted. */
  readonly failure: { readonly reason: "FailedCreate" | "FailedDelete"; readonly message: string } | undefined;
  readonly nowMs: number;
}

export function replicaSetStatus(input: ReplicaSetStatusInput): appsv1.ReplicaSetStatus {
  const { replicaSet, activePods, nowMs } = input;
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
  const templateLabels = compileLabelMap(replicaSet.spec?.template?.metadata?.labels);
  const conditions = failureConditions(input);
  return {
    replicas: activePods.length,
    fullyLabeledReplicas: activePods.filter((pod) => templateLabels.matches(pod.metadata?.labels)).length,
    readyReplicas: activePods.filter(isPodReady).length,
    availableReplicas: activePods.filter((pod) => isPodAvailable(pod, minReadySeconds, nowMs)).length,
    terminatingReplicas: input.terminatingPods.length,
    observedGeneration: replicaSet.metadata?.generation,
    ...(conditions.length > 0 && { conditions }),
  };
}

function failureConditions({ replicaSet, failure, nowMs }: ReplicaSetStatusInput): appsv1.ReplicaSetCondition[] {
  const others = (replicaSet.status?.conditions ?? []).filter((condition) => condition.type !== "ReplicaFailure");
  if (failure === undefined) return others;
  const current = replicaSet.status?.conditions?.find((condition) => condition.type === "ReplicaFailure");
  if (current !== undefined && current.reason === failure.reason) return [...others, current];
  return [...others, { type: "ReplicaFailure", status: "True", lastTransitionTime: formatTime(nowMs), ...failure }];
}

/** Counters that are absent count as zero, as the api-server leaves them out. */
export function isSameReplicaSetStatus(a: appsv1.ReplicaSetStatus | undefined, b: appsv1.ReplicaSetStatus): boolean {
  const counters = [
    "replicas",
    "fullyLabeledReplicas",
    "readyReplicas",
    "availableReplicas",
    "terminatingReplicas",
    "observedGeneration",
  ] as const;
  return (
    counters.every((name) => (a?.[name] ?? 0) === (b[name] ?? 0)) &&
    JSON.stringify(a?.conditions ?? []) === JSON.stringify(b.conditions ?? [])
  );
}
