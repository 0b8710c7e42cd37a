// The nodes as one scheduling decision sees them: what each offers and what its pods take.
//
// N1. A NodeInfo's sums are those of exactly the pods in its list.
// N2. A snapshot never changes; taking a pod away for a what-if gives another NodeInfo.
import type { corev1 } from "@lenj/proto/k8s";
import { addResources, noResources, type PodRequests, parseResources, podRequests, type ResourceAmounts } from "./pod-resources.js";

export interface PlacedPod {
  readonly pod: corev1.Pod;
  readonly requests: PodRequests;
  readonly hostPorts: readonly HostPort[];
}

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

export interface NodeInfo {
  readonly node: corev1.Node;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly corev1.Taint[];
  readonly allocatable: ResourceAmounts;
  readonly allocatablePods: number;
  readonly pods: readonly PlacedPod[];
  readonly requested: ResourceAmounts;
  readonly scored: { readonly milliCPU: number; readonly memoryBytes: number };
  /** Bytes by image name. */
  readonly images: ReadonlyMap<string, number>;
}

export interface NodeSnapshot {
  readonly nodes: readonly NodeInfo[];
  /** Labels of namespaces, for affinity by namespace selector. */
  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined;
}

export function placePod(pod: corev1.Pod): PlacedPod {
  const hostPorts = (pod.spec?.containers ?? []).flatMap((container) =>
    (container.ports ?? []).flatMap((port) =>
      port.hostPort ? [{ ip: port.hostIP || "0.0.0.0", protocol: port.protocol ?? "TCP", port: port.hostPort }] : [],
    ),
  );
  return { pod, requests: podRequests(pod), hostPorts };
}

export function createNodeInfo(node: corev1.Node, pods: readonly PlacedPod[]): NodeInfo {
  const allocatable = node.status?.allocatable;
  const images = new Map<string, number>();
  for (const image of node.status?.images ?? []) for (const name of image.names ?? []) images.set(name, image.sizeBytes ?? 0);
  return withPods(
    {
      node,
      name: node.metadata?.name ?? "",
      labels: node.metadata?.labels ?? {},
      taints: node.spec?.taints ?? [],
      allocatable: parseResources(allocatable),
      allocatablePods: Number(allocatable?.["pods"] ?? 0),
      images,
    },
    pods,
  );
}

/** The same node with other pods on it. */
export function withPods(node: Omit<NodeInfo, "pods" | "requested" | "scored">, pods: readonly PlacedPod[]): NodeInfo {
  let requested = noResources;
  let [milliCPU, memoryBytes] = [0, 0];
  for (const placed of pods) {
    requested = addResources(requested, placed.requests.actual);
    milliCPU += placed.requests.scored.milliCPU;
    memoryBytes += placed.requests.scored.memoryBytes;
  }
  return { ...node, pods, requested, scored: { milliCPU, memoryBytes } };
}

/** The same snapshot with one node replaced. */
export function withNode(snapshot: NodeSnapshot, replacement: NodeInfo): NodeSnapshot {
  return { ...snapshot, nodes: snapshot.nodes.map((node) => (node.name === replacement.name ? replacement : node)) };
}
