// What a node's silence or its conditions mean: which conditions become Unknown, which taints it carries. Pure.
//
// NL1. Only what this controller is in charge of changes: its taints and, for a silent node, the four kubelet conditions.
// NL2. Eviction begins with the NoExecute taint, which a node gets only when its zone's turn has come (see zones.ts).
// NL3. While every node is down no node carries it: it is more likely that we are cut off than that all died.
// Source: pkg/controller/nodelifecycle/node_lifecycle_controller.go.
import type { corev1 } from "@lenj/proto/k8s";

export const NOT_READY = "node.kubernetes.io/not-ready";
export const UNREACHABLE = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";

const KUBELET_CONDITIONS = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] as const;

/** Taint keys by condition type and the status that causes them. */
const CONDITION_TAINTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: NOT_READY, Unknown: UNREACHABLE },
  MemoryPressure: { True: "node.kubernetes.io/memory-pressure" },
  DiskPressure: { True: "node.kubernetes.io/disk-pressure" },
  PIDPressure: { True: "node.kubernetes.io/pid-pressure" },
  NetworkUnavailable: { True: "node.kubernetes.io/network-unavailable" },
};

const OWN_NO_SCHEDULE: ReadonlySet<string> = new Set([
  ...Object.values(CONDITION_TAINTS).flatMap((byStatus) => Object.values(byStatus)),
  UNSCHEDULABLE,
]);
const OWN_NO_EXECUTE: ReadonlySet<string> = new Set([NOT_READY, UNREACHABLE]);

/**
 * - `allowed`: the node may be given a NoExecute taint.
 * - `held`: not now; one that it has stays.
 * - `lifted`: nobody is evicted; what there is goes.
 */
export type Evictions = "allowed" | "held" | "lifted";

export interface ObservedNode {
  readonly node: corev1.Node;
  /** Neither lease nor status was renewed within the grace period. */
  readonly isSilent: boolean;
  readonly evictions: Evictions;
  /** RFC 3339. */
  readonly now: string;
}

export interface NodePlan {
  /** All conditions, when some change; else undefined. */
  readonly conditions: readonly corev1.NodeCondition[] | undefined;
  /** All taints, when some change; else undefined. */
  readonly taints: readonly corev1.Taint[] | undefined;
  readonly isReady: boolean;
  /** The node should have a NoExecute taint and may not get it yet. */
  readonly awaitsEviction: boolean;
  readonly because: string;
}

export function planNode(observed: ObservedNode): NodePlan {
  const { node, isSilent, evictions, now } = observed;
  const current = node.status?.conditions ?? [];
  const conditions = isSilent ? silentConditions(current, now) : current;
  const ready = conditions.find((condition) => condition.type === "Ready")?.status ?? "Unknown";
  const taints = desiredTaints(node, conditions, { ready, evictions, now });
  return {
    conditions: conditions === current ? undefined : conditions,
    taints: isSameTaints(node.spec?.taints ?? [], taints) ? undefined : taints,
    isReady: ready === "True",
    awaitsEviction: evictions === "held" && ready !== "True" && !taints.some(isEvicting),
    because: isSilent ? "the kubelet stopped posting node status" : `the node's Ready condition is ${ready}`,
  };
}

/** Returns `current` itself when nothing changes. */
function silentConditions(current: readonly corev1.NodeCondition[], now: string): readonly corev1.NodeCondition[] {
  const unknown = (type: string, known: corev1.NodeCondition | undefined): corev1.NodeCondition => ({
    ...(known ?? { lastHeartbeatTime: now }),
    type,
    status: "Unknown",
    reason: known === undefined ? "NodeStatusNeverUpdated" : "NodeStatusUnknown",
    message: known === undefined ? "Kubelet never posted node status." : "Kubelet stopped posting node status.",
    lastTransitionTime: now,
  });
  const isDone = KUBELET_CONDITIONS.every((type) => current.find((condition) => condition.type === type)?.status === "Unknown");
  if (isDone) return current;
  const others = current.filter((condition) => !KUBELET_CONDITIONS.some((type) => type === condition.type));
  return [
    ...others,
    ...KUBELET_CONDITIONS.map((type) => {
      const known = current.find((condition) => condition.type === type);
      return known?.status === "Unknown" ? known : unknown(type, known);
    }),
  ];
}

function desiredTaints(
  node: corev1.Node,
  conditions: readonly corev1.NodeCondition[],
  state: { ready: string; evictions: Evictions; now: string },
): corev1.Taint[] {
  const current = node.spec?.taints ?? [];
  const noSchedule = new Set(conditions.flatMap((condition) => CONDITION_TAINTS[condition.type ?? ""]?.[condition.status ?? ""] ?? []));
  if (node.spec?.unschedulable === true) noSchedule.add(UNSCHEDULABLE);
  const evicts = state.ready !== "True" && (state.evictions === "allowed" || (state.evictions === "held" && current.some(isEvicting)));
  const noExecute = new Set(evicts ? [state.ready === "False" ? NOT_READY : UNREACHABLE] : []);
  const isWanted = (taint: corev1.Taint): boolean => {
    if (taint.effect === "NoSchedule" && OWN_NO_SCHEDULE.has(taint.key ?? "")) return noSchedule.has(taint.key ?? "");
    return !isEvicting(taint) || noExecute.has(taint.key ?? "");
  };
  const kept = current.filter(isWanted);
  const has = (key: string, effect: string): boolean => kept.some((taint) => taint.key === key && taint.effect === effect);
  return [
    ...kept,
    ...[...noSchedule]
      .filter((key) => !has(key, "NoSchedule"))
      .map((key): corev1.Taint => ({ key, effect: "NoSchedule", ...(key === UNSCHEDULABLE ? { timeAdded: state.now } : {}) })),
    ...[...noExecute]
      .filter((key) => !has(key, "NoExecute"))
      .map((key): corev1.Taint => ({ key, effect: "NoExecute", timeAdded: state.now })),
  ];
}

function isEvicting(taint: corev1.Taint): boolean {
  return taint.effect === "NoExecute" && OWN_NO_EXECUTE.has(taint.key ?? "");
}

function isSameTaints(a: readonly corev1.Taint[], b: readonly corev1.Taint[]): boolean {
  const names = (taints: readonly corev1.Taint[]): string =>
    taints
      .map((taint) => `${taint.key}=${taint.value ?? ""}:${taint.effect}`)
      .sort()
      .join();
  return names(a) === names(b);
}
