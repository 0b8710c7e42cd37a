// Pods that want to be near, or far from, other pods.
// Upstream: plugins/interpodaffinity. Terms of pods already placed count too: their required anti-affinity, and all their
// preferences.
import { compileLabelSelector, type Selector } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { type Plugin, scoreMax } from "../../core/framework.js";
import type { NodeInfo, NodeSnapshot, PlacedPod } from "../../core/node-snapshot.js";

interface Term {
  readonly topologyKey: string;
  readonly weight: number;
  matches(pod: corev1.Pod): boolean;
}

interface FilterState {
  readonly affinity: readonly Term[];
  /** By term: values of its topology key under which a matching pod is placed. */
  readonly affinityValues: readonly ReadonlySet<string>[];
  /** "key=value" pairs that the pod must keep away from. */
  readonly forbidden: ReadonlySet<string>;
  /** "key=value" pairs that placed pods keep the pod away from. */
  readonly repelled: ReadonlySet<string>;
}

const requiredAffinityWeight = 1;

export const interPodAffinity: Plugin<FilterState | ReadonlyMap<string, number>> = {
  name: "InterPodAffinity",
  weight: 2,
  wakesOn: ["NodeAdd", "NodeLabel", "PodDelete", "PodLabel", "PodUpdate"],
  preFilter: (pod, snapshot) => {
    const affinity = compileTerms(pod.pod, pod.pod.spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution, snapshot);
    const anti = compileTerms(pod.pod, pod.pod.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution, snapshot);
    const repelled = repelledPairs(pod, snapshot);
    if (affinity.length === 0 && anti.length === 0 && repelled.size === 0) return "skip";
    return {
      affinity,
      affinityValues: affinity.map((term) => new Set(placedValues(term, snapshot).map((pair) => pair))),
      forbidden: new Set(anti.flatMap((term) => placedValues(term, snapshot))),
      repelled,
    };
  },
  filter: (pod, node, state) => {
    const { affinity, affinityValues, forbidden, repelled } = state as FilterState;
    if (!isNearEnough(pod, node, affinity, affinityValues))
      return { isResolvable: false, reasons: ["node(s) didn't match pod affinity rules"] };
    if (hasPair(node, forbidden)) return { isResolvable: true, reasons: ["node(s) didn't match pod anti-affinity rules"] };
    if (hasPair(node, repelled)) return { isResolvable: true, reasons: ["node(s) didn't satisfy existing pods anti-affinity rules"] };
    return undefined;
  },
  preScore: (pod, _nodes, snapshot) => {
    const weights = pairWeights(pod, snapshot);
    return weights.size === 0 ? "skip" : weights;
  },
  score: (_pod, node, state) => {
    let sum = 0;
    for (const [key, value] of Object.entries(node.labels)) sum += (state as ReadonlyMap<string, number>).get(`${key}=${value}`) ?? 0;
    return sum;
  },
  normalize: (scores) => {
    const [least, most] = [Math.min(...scores), Math.max(...scores)];
    return scores.map((score) => (most === least ? 0 : Math.floor((scoreMax * (score - least)) / (most - least))));
  },
};

/** The first pod of a group that wants to be near itself has nobody to be near to: any node with the key will do. */
function isNearEnough({ pod }: PlacedPod, node: NodeInfo, terms: readonly Term[], values: readonly ReadonlySet<string>[]): boolean {
  if (!terms.every((term) => node.labels[term.topologyKey] !== undefined)) return false;
  if (terms.every((term, offset) => values[offset]?.has(`${term.topologyKey}=${node.labels[term.topologyKey]}`) === true)) return true;
  return values.every((set) => set.size === 0) && terms.every((term) => term.matches(pod));
}

function hasPair(node: NodeInfo, pairs: ReadonlySet<string>): boolean {
  return pairs.size > 0 && Object.entries(node.labels).some(([key, value]) => pairs.has(`${key}=${value}`));
}

/** "key=value" of every node with a pod that the term matches. */
function placedValues(term: Term, snapshot: NodeSnapshot): string[] {
  return snapshot.nodes.flatMap((node) => {
    const value = node.labels[term.topologyKey];
    return value !== undefined && node.pods.some((placed) => term.matches(placed.pod)) ? [`${term.topologyKey}=${value}`] : [];
  });
}

function repelledPairs(pod: PlacedPod, snapshot: NodeSnapshot): Set<string> {
  const pairs = new Set<string>();
  for (const node of snapshot.nodes) {
    for (const placed of node.pods) {
      const required = placed.pod.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
      if (required === undefined || required.length === 0) continue;
      for (const term of compileTerms(placed.pod, required, snapshot)) {
        const value = node.labels[term.topologyKey];
        if (value !== undefined && term.matches(pod.pod)) pairs.add(`${term.topologyKey}=${value}`);
      }
    }
  }
  return pairs;
}

function pairWeights(pod: PlacedPod, snapshot: NodeSnapshot): Map<string, number> {
  const weights = new Map<string, number>();
  const own = preferredTerms(pod.pod, snapshot);
  for (const node of snapshot.nodes) {
    for (const placed of node.pods) {
      const add = (term: Term, matched: corev1.Pod): void => {
        const value = node.labels[term.topologyKey];
        if (value === undefined || term.weight === 0 || !term.matches(matched)) return;
        const pair = `${term.topologyKey}=${value}`;
        weights.set(pair, (weights.get(pair) ?? 0) + term.weight);
      };
      for (const term of own) add(term, placed.pod);
      if (placed.pod.spec?.affinity === undefined) continue;
      for (const term of preferredTerms(placed.pod, snapshot)) add(term, pod.pod);
      const required = compileTerms(
        placed.pod,
        placed.pod.spec.affinity.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
        snapshot,
        requiredAffinityWeight,
      );
      for (const term of required) add(term, pod.pod);
    }
  }
  return weights;
}

function preferredTerms(pod: corev1.Pod, snapshot: NodeSnapshot): Term[] {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  const compile = (preferred: readonly corev1.WeightedPodAffinityTerm[] | undefined, sign: 1 | -1): Term[] =>
    (preferred ?? []).flatMap((weighted) =>
      compileTerms(pod, weighted.podAffinityTerm === undefined ? [] : [weighted.podAffinityTerm], snapshot, sign * (weighted.weight ?? 0)),
    );
  return [
    ...compile(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution, 1),
    ...compile(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution, -1),
  ];
}

function compileTerms(owner: corev1.Pod, terms: readonly corev1.PodAffinityTerm[] | undefined, snapshot: NodeSnapshot, weight = 0): Term[] {
  return (terms ?? []).map((term) => {
    const selector = compileLabelSelector(withLabelKeys(owner, term) as never);
    const namespaces = term.namespaces ?? [];
    const ownNamespaceOnly = namespaces.length === 0 && term.namespaceSelector === undefined;
    const namespaceSelector: Selector | undefined =
      term.namespaceSelector === undefined ? undefined : compileLabelSelector(term.namespaceSelector as never);
    const isInScope = (namespace: string): boolean =>
      ownNamespaceOnly
        ? namespace === owner.metadata?.namespace
        : namespaces.includes(namespace) || namespaceSelector?.matches(snapshot.namespaceLabels(namespace) ?? {}) === true;
    return {
      topologyKey: term.topologyKey ?? "",
      weight,
      matches: (pod) => isInScope(pod.metadata?.namespace ?? "") && selector.matches(pod.metadata?.labels ?? {}),
    };
  });
}

/** matchLabelKeys and mismatchLabelKeys add the owner's own values to the selector. */
function withLabelKeys(owner: corev1.Pod, term: corev1.PodAffinityTerm): corev1.PodAffinityTerm["labelSelector"] {
  const expressions = [
    ...(term.matchLabelKeys ?? []).map((key) => ({ key, operator: "In" as const })),
    ...(term.mismatchLabelKeys ?? []).map((key) => ({ key, operator: "NotIn" as const })),
  ].flatMap(({ key, operator }) => {
    const value = owner.metadata?.labels?.[key];
    return value === undefined ? [] : [{ key, operator, values: [value] }];
  });
  if (expressions.length === 0 || term.labelSelector === undefined) return term.labelSelector;
  return { ...term.labelSelector, matchExpressions: [...(term.labelSelector.matchExpressions ?? []), ...expressions] };
}
