// Matching a pod's node selector and node affinity terms against nodes, and tolerations against taints.
// Upstream: component-helpers scheduling/corev1.
import type { corev1 } from "@lenj/proto/k8s";

interface SelectableNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export function matchesNodeSelectorTerm(term: corev1.NodeSelectorTerm, node: SelectableNode): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  // An empty term selects nothing.
  if (expressions.length + fields.length === 0) return false;
  return (
    expressions.every((expression) => matchesRequirement(expression, node.labels[expression.key ?? ""])) &&
    fields.every((field) => field.key === "metadata.name" && matchesRequirement(field, node.name))
  );
}

function matchesRequirement(requirement: corev1.NodeSelectorRequirement, value: string | undefined): boolean {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
    case "Lt": {
      if (value === undefined || !/^[+-]?\d+$/.test(value) || !/^[+-]?\d+$/.test(values[0] ?? "")) return false;
      return requirement.operator === "Gt" ? BigInt(value) > BigInt(values[0] ?? "") : BigInt(value) < BigInt(values[0] ?? "");
    }
    default:
      return false;
  }
}

/** Whether the pod's nodeSelector and required node affinity admit the node. */
export function matchesRequiredAffinity(pod: corev1.Pod, node: SelectableNode): boolean {
  const selector = pod.spec?.nodeSelector ?? {};
  if (!Object.entries(selector).every(([key, value]) => node.labels[key] === value)) return false;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || (required.nodeSelectorTerms ?? []).some((term) => matchesNodeSelectorTerm(term, node));
}

export function tolerates(toleration: corev1.Toleration, taint: corev1.Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (!toleration.key && toleration.operator !== "Exists") return false;
  return toleration.operator === "Exists" || (toleration.value ?? "") === (taint.value ?? "");
}

/** The first taint of the given effects that nothing tolerates. */
export function findUntolerated(
  taints: readonly corev1.Taint[],
  tolerations: readonly corev1.Toleration[],
  effects: readonly string[],
): corev1.Taint | undefined {
  return taints.find((taint) => effects.includes(taint.effect ?? "") && !tolerations.some((toleration) => tolerates(toleration, taint)));
}
