// Which pod goes first when there are too many. Source: pkg/controller/controller_utils.go ActivePodsWithRanks.
import type { corev1 } from "@lenj/proto/k8s";
import { isPodReady, readyCondition } from "../../core/pod-state.js";
import { parseTime } from "../../core/time.js";

const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";
const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

type Rank = (pod: corev1.Pod) => number;

/**
 * A total order: unscheduled, pending, not ready, cheap, crowded, lately ready, often restarted and young pods go first.
 * Ages are compared by power of two, so that pods of about one age are chosen by uid rather than by a second's difference.
 */
export function compareForDeletion(
  relatedPodsByNode: ReadonlyMap<string, number>,
  nowMs: number,
): (a: corev1.Pod, b: corev1.Pod) => number {
  const ranks: Rank[] = [
    (pod) => ((pod.spec?.nodeName ?? "") === "" ? 0 : 1),
    (pod) => phaseRank[pod.status?.phase ?? "Pending"] ?? 1,
    (pod) => (isPodReady(pod) ? 1 : 0),
    deletionCost,
    (pod) => -(relatedPodsByNode.get(pod.spec?.nodeName ?? "") ?? 0),
    (pod) => (isPodReady(pod) ? logarithmicAge(parseTime(readyCondition(pod)?.lastTransitionTime), nowMs) : 0),
    (pod) => -restartCount(pod),
    (pod) => logarithmicAge(parseTime(pod.metadata?.creationTimestamp), nowMs),
  ];
  return (a, b) => {
    for (const rank of ranks) {
      const difference = rank(a) - rank(b);
      if (difference !== 0) return difference;
    }
    const [first, second] = [a.metadata?.uid ?? "", b.metadata?.uid ?? ""];
    return first < second ? -1 : first > second ? 1 : 0;
  };
}

function deletionCost(pod: corev1.Pod): number {
  const text = pod.metadata?.annotations?.[DELETION_COST] ?? "";
  return /^-?(0|[1-9]\d*)$/.test(text) ? Number(text) : 0;
}

function restartCount(pod: corev1.Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount ?? 0));
}

function logarithmicAge(sinceMs: number | undefined, nowMs: number): number {
  if (sinceMs === undefined) return -1;
  const ageMs = nowMs - sinceMs;
  return ageMs <= 0 ? 0 : Math.floor(Math.log2(ageMs));
}
