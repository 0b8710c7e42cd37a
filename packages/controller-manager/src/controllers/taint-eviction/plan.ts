// Whether and when a pod has to leave a tainted node. Pure.
// Source: pkg/controller/tainteviction/taint_eviction.go.
import type { corev1 } from "@lenj/proto/k8s";

/** Milliseconds from now until the pod must go: 0 is now; undefined: it may stay. */
export function planEviction(
  tolerations: readonly corev1.Toleration[],
  taints: readonly corev1.Taint[],
  nowMs: number,
): number | undefined {
  let dueInMs: number | undefined;
  for (const taint of taints) {
    if (taint.effect !== "NoExecute") continue;
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    const bounds = matching.flatMap((toleration) => (toleration.tolerationSeconds === undefined ? [] : [toleration.tolerationSeconds]));
    if (bounds.length === 0) continue;
    const sinceMs = taint.timeAdded === undefined ? nowMs : Date.parse(taint.timeAdded);
    const leftMs = Math.max(0, sinceMs + Math.max(0, Math.min(...bounds)) * 1_000 - nowMs);
    dueInMs = Math.min(dueInMs ?? Number.POSITIVE_INFINITY, leftMs);
  }
  return dueInMs;
}

function tolerates(toleration: corev1.Toleration, taint: corev1.Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (!toleration.key && toleration.operator !== "Exists") return false;
  return toleration.operator === "Exists" || (toleration.value ?? "") === (taint.value ?? "");
}
