// Keeps the pods of a selection evenly over the values of a node label (host names, zones).
// Upstream: plugins/podtopologyspread, KEP-895. minDomains, matchLabelKeys and the node inclusion policies are honoured.
import { compileLabelSelector, type Selector } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { type Plugin, scoreMax } from "../../core/framework.js";
import { findUntolerated, matchesRequiredAffinity } from "../../core/node-selection.js";
import type { NodeInfo, PlacedPod } from "../../core/node-snapshot.js";

interface Constraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selector: Selector;
  readonly honoursAffinity: boolean;
  readonly honoursTaints: boolean;
  /** Matching pods by value of the topology key. */
  readonly counts: ReadonlyMap<string, number>;
}

/** For pods that say nothing themselves but belong to a workload: spread softly over hosts and zones. */
const defaultConstraints: readonly corev1.TopologySpreadConstraint[] = [
  { topologyKey: "kubernetes.io/hostname", maxSkew: 3, whenUnsatisfiable: "ScheduleAnyway" },
  { topologyKey: "topology.kubernetes.io/zone", maxSkew: 5, whenUnsatisfiable: "ScheduleAnyway" },
];

export const podTopologySpread: Plugin<readonly Constraint[]> = {
  name: "PodTopologySpread",
  weight: 2,
  wakesOn: ["NodeAdd", "NodeLabel", "NodeTaint", "PodDelete", "PodLabel", "PodUpdate"],
  preFilter: (pod, snapshot) => {
    const constraints = compile(pod, ownConstraints(pod.pod, "DoNotSchedule"), snapshot.nodes);
    return constraints.length === 0 ? "skip" : constraints;
  },
  filter: (pod, node, constraints) => {
    for (const constraint of constraints) {
      const value = node.labels[constraint.topologyKey];
      if (value === undefined)
        return { isResolvable: false, reasons: ["node(s) didn't match pod topology spread constraints (missing required label)"] };
      const self = constraint.selector.matches(pod.pod.metadata?.labels ?? {}) ? 1 : 0;
      const least = constraint.counts.size < constraint.minDomains ? 0 : Math.min(...constraint.counts.values());
      if ((constraint.counts.get(value) ?? 0) + self - least > constraint.maxSkew)
        return { isResolvable: true, reasons: ["node(s) didn't match pod topology spread constraints"] };
    }
    return undefined;
  },
  preScore: (pod, nodes, snapshot) => {
    const own = ownConstraints(pod.pod, "ScheduleAnyway");
    const usesDefaults = (pod.pod.spec?.topologySpreadConstraints ?? []).length === 0;
    const constraints = compile(pod, usesDefaults ? workloadDefaults(pod.pod) : own, snapshot.nodes).filter((constraint) =>
      nodes.some((node) => node.labels[constraint.topologyKey] !== undefined),
    );
    return constraints.length === 0 ? "skip" : constraints;
  },
  score: (_pod, node, constraints) => {
    let score = 0;
    for (const { topologyKey, counts, maxSkew } of constraints) {
      const value = node.labels[topologyKey];
      // More domains dilute a constraint; the weight makes up for it.
      if (value !== undefined) score += (counts.get(value) ?? 0) * Math.log(counts.size + 2) + (maxSkew - 1);
    }
    return Math.round(score);
  },
  normalize: (scores) => {
    const [least, most] = [Math.min(...scores), Math.max(...scores)];
    return scores.map((score) => (most === 0 ? scoreMax : Math.floor((scoreMax * (most + least - score)) / most)));
  },
};

function ownConstraints(pod: corev1.Pod, when: "DoNotSchedule" | "ScheduleAnyway"): readonly corev1.TopologySpreadConstraint[] {
  return (pod.spec?.topologySpreadConstraints ?? []).filter((constraint) => constraint.whenUnsatisfiable === when);
}

/** The workload's own selector is not at hand; its pods share all labels that the workload stamps on them. */
function workloadDefaults(pod: corev1.Pod): readonly corev1.TopologySpreadConstraint[] {
  const isOwned = (pod.metadata?.ownerReferences ?? []).some((owner) => owner.controller === true);
  const labels = Object.entries(pod.metadata?.labels ?? {}).filter(([key]) => !perPodLabels.has(key));
  if (!isOwned || labels.length === 0) return [];
  return defaultConstraints.map((constraint) => ({ ...constraint, labelSelector: { matchLabels: Object.fromEntries(labels) } }));
}

const perPodLabels: ReadonlySet<string> = new Set([
  "statefulset.kubernetes.io/pod-name",
  "apps.kubernetes.io/pod-index",
  "controller-revision-hash",
  "batch.kubernetes.io/job-completion-index",
]);

function compile({ pod }: PlacedPod, constraints: readonly corev1.TopologySpreadConstraint[], nodes: readonly NodeInfo[]): Constraint[] {
  const keys = constraints.map((constraint) => constraint.topologyKey ?? "");
  return constraints.map((constraint) => {
    const byKey = (constraint.matchLabelKeys ?? []).flatMap((key) => {
      const value = pod.metadata?.labels?.[key];
      return value === undefined ? [] : [{ key, operator: "In" as const, values: [value] }];
    });
    const labelSelector = constraint.labelSelector;
    const selector = compileLabelSelector(
      labelSelector === undefined
        ? undefined
        : ({ ...labelSelector, matchExpressions: [...(labelSelector.matchExpressions ?? []), ...byKey] } as never),
    );
    const partial = {
      topologyKey: constraint.topologyKey ?? "",
      maxSkew: constraint.maxSkew ?? 1,
      minDomains: constraint.minDomains ?? 1,
      selector,
      honoursAffinity: constraint.nodeAffinityPolicy !== "Ignore",
      honoursTaints: constraint.nodeTaintsPolicy === "Honor",
    };
    return { ...partial, counts: countMatching(pod, partial, keys, nodes) };
  });
}

/** Nodes that lack one of the keys, or that the pod could not use anyway, do not count. */
function countMatching(
  pod: corev1.Pod,
  constraint: Omit<Constraint, "counts">,
  keys: readonly string[],
  nodes: readonly NodeInfo[],
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const node of nodes) {
    const value = node.labels[constraint.topologyKey];
    if (value === undefined || !keys.every((key) => node.labels[key] !== undefined || key !== constraint.topologyKey)) continue;
    if (constraint.honoursAffinity && !matchesRequiredAffinity(pod, node)) continue;
    if (constraint.honoursTaints && findUntolerated(node.taints, pod.spec?.tolerations ?? [], ["NoSchedule", "NoExecute"]) !== undefined)
      continue;
    const matching = node.pods.filter(
      (placed) =>
        placed.pod.metadata?.namespace === pod.metadata?.namespace &&
        placed.pod.metadata?.deletionTimestamp === undefined &&
        constraint.selector.matches(placed.pod.metadata?.labels ?? {}),
    ).length;
    counts.set(value, (counts.get(value) ?? 0) + matching);
  }
  return counts;
}
