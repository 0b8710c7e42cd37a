// Making room for a pod by evicting less important ones. Pure.
//
// V1. Only pods of lower priority are ever victims, and only as many as the pod needs.
// V2. Among the nodes the choice is upstream's: the lowest highest victim priority, the smallest sum of priorities, the fewest victims.
// Upstream: pkg/scheduler/framework/preemption, defaultpreemption.
import type { corev1 } from "@lenj/proto/k8s";
import { fitsNode } from "./cycle.js";
import type { Plugin, Rejection } from "./framework.js";
import { type NodeInfo, type NodeSnapshot, type PlacedPod, withNode, withPods } from "./node-snapshot.js";

export interface PreemptionPlan {
  readonly node: string;
  readonly victims: readonly corev1.Pod[];
}

export const priorityOf = (pod: corev1.Pod): number => pod.spec?.priority ?? 0;

/** Why the pod may not have others evicted; undefined when it may. */
export function preemptionObstacle(pod: corev1.Pod, isUnderWay: boolean): string | undefined {
  if (pod.spec?.preemptionPolicy === "Never") return "not eligible due to preemptionPolicy=Never.";
  return isUnderWay ? "not eligible due to a terminating pod on the nominated node." : undefined;
}

/** Where and whom to evict; undefined: it would not help anywhere. */
export function planPreemption(
  pod: PlacedPod,
  snapshot: NodeSnapshot,
  rejections: ReadonlyMap<string, Rejection>,
  plugins: readonly Plugin[],
): PreemptionPlan | undefined {
  const plans = snapshot.nodes
    .filter((node) => rejections.get(node.name)?.isResolvable === true)
    .flatMap((node) => {
      const victims = chooseVictims(pod, node, snapshot, plugins);
      return victims === undefined ? [] : [{ node: node.name, victims }];
    });
  return plans.sort(comparePlans)[0];
}

/** The least important pods of a node whose going makes room; undefined: no set of them does. */
function chooseVictims(pod: PlacedPod, node: NodeInfo, snapshot: NodeSnapshot, plugins: readonly Plugin[]): corev1.Pod[] | undefined {
  const isLower = (placed: PlacedPod): boolean => priorityOf(placed.pod) < priorityOf(pod.pod);
  const candidates = node.pods.filter(isLower).sort(mostImportantFirst);
  if (candidates.length === 0) return undefined;
  let kept = node.pods.filter((placed) => !isLower(placed));
  const fitsBeside = (pods: readonly PlacedPod[]): boolean => fitsNode(pod, node.name, withNode(snapshot, withPods(node, pods)), plugins);
  if (!fitsBeside(kept)) return undefined;
  // The most important are spared first, as long as the pod still fits beside them.
  const victims: corev1.Pod[] = [];
  for (const candidate of candidates) {
    if (fitsBeside([...kept, candidate])) kept = [...kept, candidate];
    else victims.push(candidate.pod);
  }
  return victims;
}

function mostImportantFirst(a: PlacedPod, b: PlacedPod): number {
  return priorityOf(b.pod) - priorityOf(a.pod) || (startOf(a.pod) < startOf(b.pod) ? -1 : 1);
}

/** Comparable as text; pods that have not started yet count as the latest. */
function startOf(pod: corev1.Pod): string {
  return pod.status?.startTime ?? "9999";
}

function comparePlans(a: PreemptionPlan, b: PreemptionPlan): number {
  const highest = (plan: PreemptionPlan): number => Math.max(...plan.victims.map(priorityOf));
  const sum = (plan: PreemptionPlan): number => plan.victims.reduce((total, victim) => total + priorityOf(victim) + 2 ** 31, 0);
  return highest(a) - highest(b) || sum(a) - sum(b) || a.victims.length - b.victims.length || (a.node < b.node ? -1 : 1);
}
