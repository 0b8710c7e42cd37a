// What a pod's status means to controllers. Source: pkg/api/v1/pod, pkg/controller/controller_utils.go.
import type { corev1 } from "@lenj/proto/k8s";

/** Neither finished nor being deleted. */
export function isPodActive(pod: corev1.Pod): boolean {
  return !isPodFinished(pod) && pod.metadata?.deletionTimestamp === undefined;
}

export function isPodFinished(pod: corev1.Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

export function readyCondition(pod: corev1.Pod): corev1.PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === "Ready");
}

export function isPodReady(pod: corev1.Pod): boolean {
  return readyCondition(pod)?.status === "True";
}

/** Ready for at least `minReadySeconds`. */
export function isPodAvailable(pod: corev1.Pod, minReadySeconds: number, nowMs: number): boolean {
  return isPodReady(pod) && (minReadySeconds === 0 || availableAtMs(pod, minReadySeconds) <= nowMs);
}

/** When a ready pod becomes available. */
export function availableAtMs(pod: corev1.Pod, minReadySeconds: number): number {
  const since = readyCondition(pod)?.lastTransitionTime;
  return since === undefined ? Number.POSITIVE_INFINITY : Date.parse(since) + minReadySeconds * 1000;
}
