// What a scheduler plugin is. Extension points and their meaning are kube-scheduler's.
import type { corev1 } from "@lenj/proto/k8s";
import type { NodeInfo, NodeSnapshot, PlacedPod } from "./node-snapshot.js";

/** Why a node (or every node) does not take a pod. Resolvable: evicting pods from the node could help. */
export interface Rejection {
  readonly plugin: string;
  readonly isResolvable: boolean;
  /** In upstream's words; a node may have several. */
  readonly reasons: readonly string[];
}

/** Changes in the cluster that may make a rejected pod schedulable. */
export type ClusterEvent = "NodeAdd" | "NodeAllocatable" | "NodeLabel" | "NodeTaint" | "PodDelete" | "PodLabel" | "PodUpdate" | "Other";

/** Scores of the nodes, in their order, brought to 0..100: as they are, by share of the largest, or the reverse of that. */
export type Normalization = "none" | "max" | "reversed" | ((scores: readonly number[]) => number[]);

export interface Plugin<State = unknown> {
  readonly name: string;
  readonly weight: number;
  /** Events worth another try after this plugin rejected a pod. */
  readonly wakesOn: readonly ClusterEvent[];
  /** Keeps a pod out of the queue: it is not even tried. */
  preEnqueue?(pod: corev1.Pod): string | undefined;
  /** Once a cycle, before the nodes: what filtering needs to know. "skip" leaves the plugin's filter out. */
  preFilter?(pod: PlacedPod, snapshot: NodeSnapshot): State | "skip";
  filter?(pod: PlacedPod, node: NodeInfo, state: State): Omit<Rejection, "plugin"> | undefined;
  /** Once a cycle, after filtering. "skip" leaves the plugin's score out. */
  preScore?(pod: PlacedPod, nodes: readonly NodeInfo[], snapshot: NodeSnapshot): State | "skip";
  score?(pod: PlacedPod, node: NodeInfo, state: State): number;
  readonly normalize?: Normalization;
}

export const scoreMax = 100;

export function normalizeScores(scores: readonly number[], normalization: Normalization): number[] {
  if (typeof normalization === "function") return normalization(scores);
  if (normalization === "none") return [...scores];
  const largest = Math.max(0, ...scores);
  if (largest === 0) return scores.map(() => (normalization === "reversed" ? scoreMax : 0));
  return scores.map((score) => {
    const share = Math.floor((score * scoreMax) / largest);
    return normalization === "reversed" ? scoreMax - share : share;
  });
}
