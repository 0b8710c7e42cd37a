// Whether this node takes a pod. Upstream: pkg/kubelet/lifecycle/predicate.go, noderesources fit.
import type { corev1 } from "@lenj/proto/k8s";
import { isCriticalPod, isStaticPod } from "../pod/identity.js";
import type { PodVerdict } from "../pod/status.js";
import { podRequests, qosClass, type ResourceAmounts } from "../resources/pod-resources.js";

export interface AdmitInput {
  readonly pod: corev1.Pod;
  /** Pods this node already runs or is about to, without `pod`. */
  readonly others: readonly corev1.Pod[];
  readonly node: corev1.Node;
  /** cpu in milli, everything else in whole units. */
  readonly allocatable: ResourceAmounts;
  readonly maxPods: number;
  /** The node is short of memory: only pods with requests, or critical ones, come in. */
  readonly memoryPressure: boolean;
  readonly diskPressure: boolean;
}

/** Undefined: admitted. */
export function admitPod(input: AdmitInput): PodVerdict | undefined {
  const { pod } = input;
  const pressure = refusedUnderPressure(input);
  if (pressure !== undefined) return pressure;
  const os = pod.spec?.os?.name;
  if (os !== undefined && os !== "linux")
    return { reason: "PodOSNotSupported", message: "Failed to admit pod as the OS field doesn't match node OS" };
  if (input.others.length + 1 > input.maxPods)
    return {
      reason: "OutOfpods",
      message: `Node didn't have enough resource: pods, requested: 1, used: ${input.others.length}, capacity: ${input.maxPods}`,
    };
  const lacking = lackingResource(input);
  if (lacking !== undefined) return lacking;
  if (!matchesNodeAffinity(pod, input.node))
    return { reason: "NodeAffinity", message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector" };
  const taint = (input.node.spec?.taints ?? []).find(
    (candidate) =>
      candidate.effect === "NoExecute" && !(pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, candidate)),
  );
  if (taint !== undefined && !isStaticPod(pod))
    return { reason: "TaintToleration", message: "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate" };
  const conflict = hostPortConflict(pod, input.others);
  if (conflict)
    return { reason: "NodePorts", message: "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports" };
  return undefined;
}

// Upstream: the eviction manager's Admit.
function refusedUnderPressure({ pod, memoryPressure, diskPressure }: AdmitInput): PodVerdict | undefined {
  const conditions = [...(diskPressure ? ["DiskPressure"] : []), ...(memoryPressure ? ["MemoryPressure"] : [])];
  if (conditions.length === 0 || isCriticalPod(pod)) return undefined;
  if (!diskPressure) {
    if (qosClass(pod) !== "BestEffort") return undefined;
    const taint = { key: "node.kubernetes.io/memory-pressure", effect: "NoSchedule" } as const;
    if ((pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, taint))) return undefined;
  }
  return { reason: "Evicted", message: `The node had condition: [${conditions.join(" ")}]. ` };
}

function lackingResource(input: AdmitInput): PodVerdict | undefined {
  const wanted = podRequests(input.pod);
  const used: Record<string, number> = {};
  for (const other of input.others) {
    for (const [name, amount] of Object.entries(podRequests(other))) used[name] = (used[name] ?? 0) + amount;
  }
  for (const [name, amount] of Object.entries(wanted)) {
    // A resource the node does not report at all is refused too, unless nothing of it is asked.
    const capacity = input.allocatable[name] ?? 0;
    const taken = used[name] ?? 0;
    if (amount > 0 && taken + amount > capacity) {
      return {
        reason: `OutOf${name}`,
        message: `Node didn't have enough resource: ${name}, requested: ${amount}, used: ${taken}, capacity: ${capacity}`,
      };
    }
  }
  return undefined;
}

export function tolerates(toleration: corev1.Toleration, taint: corev1.Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== taint.effect && (toleration.effect as string) !== "") return false;
  if (toleration.key !== undefined && toleration.key !== "" && toleration.key !== taint.key) return false;
  if (toleration.operator === "Exists") return true;
  return (toleration.key ?? "") !== "" && (toleration.value ?? "") === (taint.value ?? "");
}

/** nodeSelector and the required node affinity. */
export function matchesNodeAffinity(pod: corev1.Pod, node: corev1.Node): boolean {
  const labels = node.metadata?.labels ?? {};
  for (const [key, value] of Object.entries(pod.spec?.nodeSelector ?? {})) {
    if (labels[key] !== value) return false;
  }
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined) return true;
  return (required.nodeSelectorTerms ?? []).some((term) => {
    const expressions = term.matchExpressions ?? [];
    const fields = term.matchFields ?? [];
    if (expressions.length === 0 && fields.length === 0) return false;
    return (
      expressions.every((expression) => matchesRequirement(expression, labels[expression.key])) &&
      fields.every((field) => matchesRequirement(field, field.key === "metadata.name" ? node.metadata?.name : undefined))
    );
  });
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
      return value !== undefined && Number(value) > Number(values[0]);
    case "Lt":
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}

function hostPortConflict(pod: corev1.Pod, others: readonly corev1.Pod[]): boolean {
  const wanted = hostPorts(pod);
  if (wanted.length === 0) return false;
  const taken = others.flatMap(hostPorts);
  return wanted.some((port) =>
    taken.some(
      (other) =>
        other.port === port.port &&
        other.protocol === port.protocol &&
        (other.ip === port.ip || other.ip === "0.0.0.0" || port.ip === "0.0.0.0"),
    ),
  );
}

function hostPorts(pod: corev1.Pod): { port: number; protocol: string; ip: string }[] {
  return (pod.spec?.containers ?? []).flatMap((container) =>
    (container.ports ?? [])
      .map((port) => ({
        port: port.hostPort ?? (pod.spec?.hostNetwork === true ? port.containerPort : 0),
        protocol: port.protocol ?? "TCP",
        ip: port.hostIP ?? "0.0.0.0",
      }))
      .filter((port) => port.port > 0),
  );
}
