// Node object and status from what is known of this machine. Upstream: pkg/kubelet/nodestatus/setters.go, kubelet_node_status.go.
//
// N1. lastTransitionTime of a condition moves only with its status; lastHeartbeatTime moves at every report.
// N2. Pressure, once seen, is reported for the transition period after it was last seen, so that it does not flap.
import type { corev1 } from "@lenj/proto/k8s";
import { formatKi, formatMilliCPU } from "../resources/amount.js";

/** Measured facts of the node. */
export interface NodeFacts {
  readonly hostname: string;
  readonly addresses: readonly string[];
  readonly milliCPU: number;
  readonly memoryBytes: number;
  readonly storageBytes: number;
  readonly maxPods: number;
  readonly reserved: { readonly milliCPU: number; readonly memoryBytes: number; readonly storageBytes: number };
  readonly system: Pick<corev1.NodeSystemInfo, "machineID" | "systemUUID" | "bootID" | "kernelVersion" | "osImage" | "architecture">;
  /** "containerd://1.6.20". */
  readonly containerRuntimeVersion: string;
  readonly kubeletVersion: string;
  readonly port: number;
}

/** What is up with the node now. */
export interface NodeHealth {
  /** Why pods cannot run, empty when they can. */
  readonly notReady: readonly string[];
  readonly memoryPressure: boolean;
  readonly diskPressure: boolean;
  readonly pidPressure: boolean;
  readonly images: readonly corev1.ContainerImage[];
  readonly runtimeHandlers: readonly corev1.NodeRuntimeHandler[];
}

const maxImages = 50;
const maxNamesPerImage = 5;

export function nodeLabels(facts: Pick<NodeFacts, "hostname" | "system">): Record<string, string> {
  const arch = facts.system.architecture;
  return {
    "beta.kubernetes.io/arch": arch,
    "beta.kubernetes.io/os": "linux",
    "kubernetes.io/arch": arch,
    "kubernetes.io/hostname": facts.hostname,
    "kubernetes.io/os": "linux",
  };
}

export function capacity(facts: NodeFacts): Record<string, string> {
  return {
    cpu: formatMilliCPU(facts.milliCPU),
    "ephemeral-storage": formatKi(facts.storageBytes),
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
    memory: formatKi(facts.memoryBytes),
    pods: String(facts.maxPods),
  };
}

export function allocatable(facts: NodeFacts): Record<string, string> {
  return {
    cpu: formatMilliCPU(Math.max(facts.milliCPU - facts.reserved.milliCPU, 0)),
    // Storage is given in bytes once something was subtracted, as upstream prints it.
    "ephemeral-storage": String(Math.max(Math.floor(facts.storageBytes / 1024) * 1024 - facts.reserved.storageBytes, 0)),
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
    memory: formatKi(Math.max(facts.memoryBytes - facts.reserved.memoryBytes, 0)),
    pods: String(facts.maxPods),
  };
}

/** cpu in milli, everything else in whole units: what admission counts with. */
export function allocatableAmounts(facts: NodeFacts): Record<string, number> {
  return {
    cpu: Math.max(facts.milliCPU - facts.reserved.milliCPU, 0),
    memory: Math.max(facts.memoryBytes - facts.reserved.memoryBytes, 0),
    "ephemeral-storage": Math.max(facts.storageBytes - facts.reserved.storageBytes, 0),
    pods: facts.maxPods,
  };
}

export function nodeStatus(facts: NodeFacts, health: NodeHealth, current: corev1.NodeStatus, now: string): corev1.NodeStatus {
  return {
    capacity: capacity(facts),
    allocatable: allocatable(facts),
    conditions: nodeConditions(health, current.conditions ?? [], now),
    addresses: [
      ...facts.addresses.map((address) => ({ type: "InternalIP" as const, address })),
      { type: "Hostname" as const, address: facts.hostname },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: facts.port } },
    nodeInfo: {
      ...facts.system,
      containerRuntimeVersion: facts.containerRuntimeVersion,
      kubeletVersion: facts.kubeletVersion,
      kubeProxyVersion: "",
      operatingSystem: "linux",
    },
    images: [...health.images]
      .sort((left, right) => (right.sizeBytes ?? 0) - (left.sizeBytes ?? 0))
      .slice(0, maxImages)
      .map((image) => ({ ...image, names: (image.names ?? []).slice(0, maxNamesPerImage) })),
    ...(health.runtimeHandlers.length > 0 ? { runtimeHandlers: [...health.runtimeHandlers] } : {}),
  };
}

type Wanted = readonly [type: string, status: boolean, whenTrue: readonly [string, string], whenFalse: readonly [string, string]];

export function nodeConditions(health: NodeHealth, current: readonly corev1.NodeCondition[], now: string): corev1.NodeCondition[] {
  const ready = health.notReady.length === 0;
  const wanted: Wanted[] = [
    [
      "MemoryPressure",
      health.memoryPressure,
      ["KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
      ["KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    ],
    [
      "DiskPressure",
      health.diskPressure,
      ["KubeletHasDiskPressure", "kubelet has disk pressure"],
      ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    ],
    [
      "PIDPressure",
      health.pidPressure,
      ["KubeletHasInsufficientPID", "kubelet has insufficient PID available"],
      ["KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    ],
    ["Ready", ready, ["KubeletReady", "kubelet is posting ready status"], ["KubeletNotReady", notReadyText(health.notReady)]],
  ];
  return wanted.map(([type, isTrue, whenTrue, whenFalse]) => {
    const status = isTrue ? "True" : "False";
    const [reason, message] = isTrue ? whenTrue : whenFalse;
    const before = current.find((condition) => condition.type === type);
    const lastTransitionTime =
      before?.status === status && before.lastTransitionTime !== undefined && before.lastTransitionTime !== null
        ? before.lastTransitionTime
        : now;
    return { type, status, lastHeartbeatTime: now, lastTransitionTime, reason, message };
  });
}

function notReadyText(reasons: readonly string[]): string {
  return reasons.length === 1 ? (reasons[0] as string) : `[${reasons.join(", ")}]`;
}

/** Everything but the heartbeat times is as it was: nothing worth a report before the period is over. */
export function isSameStatus(left: corev1.NodeStatus, right: corev1.NodeStatus): boolean {
  return canonical(left) === canonical(right);
}

function canonical(status: corev1.NodeStatus): string {
  const conditions = [...(status.conditions ?? [])]
    .map(({ lastHeartbeatTime: _, ...rest }) => sortKeys(rest))
    .sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1));
  const kept = {
    capacity: status.capacity,
    allocatable: status.allocatable,
    addresses: status.addresses,
    daemonEndpoints: status.daemonEndpoints,
    nodeInfo: status.nodeInfo,
    images: status.images,
    runtimeHandlers: status.runtimeHandlers,
    conditions,
  };
  return JSON.stringify(sortKeys(kept));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, member]) => [key, sortKeys(member)]),
  );
}

/** Events that a change of conditions is worth: "Node n1 status is now: NodeReady". */
export function conditionEvents(before: readonly corev1.NodeCondition[], after: readonly corev1.NodeCondition[]): string[] {
  const names: Readonly<Record<string, readonly [string, string]>> = {
    Ready: ["NodeReady", "NodeNotReady"],
    MemoryPressure: ["NodeHasInsufficientMemory", "NodeHasSufficientMemory"],
    DiskPressure: ["NodeHasDiskPressure", "NodeHasNoDiskPressure"],
    PIDPressure: ["NodeHasInsufficientPID", "NodeHasSufficientPID"],
  };
  return after.flatMap((condition) => {
    const pair = names[condition.type];
    if (pair === undefined || before.find((candidate) => candidate.type === condition.type)?.status === condition.status) return [];
    return [condition.status === "True" ? pair[0] : pair[1]];
  });
}
