// Nodes and placed pods as the scheduler knows them, with pods it has just placed counted before the api-server says so.
//
// C1. An assumed pod counts on its node until the watch shows it bound, or the binding failed.
// C2. A snapshot is rebuilt only for nodes that changed since the last one.
import { type Informer, type InformerFactory, objectName, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import type { ClusterEvent } from "../core/framework.js";
import { createNodeInfo, type NodeInfo, type NodeSnapshot, type PlacedPod, placePod } from "../core/node-snapshot.js";

export interface ClusterCacheHandlers {
  onUnassignedPod(key: string, pod: corev1.Pod): void;
  onPodGone(key: string): void;
  onEvent(event: ClusterEvent): void;
}

export class ClusterCache {
  readonly #pods: Informer<corev1.Pod>;
  readonly #nodes: Informer<corev1.Node>;
  readonly #namespaces: Informer<corev1.Namespace>;
  readonly #placed = new Map<string, { readonly node: string; readonly placed: PlacedPod }>();
  readonly #podsByNode = new Map<string, Map<string, PlacedPod>>();
  readonly #infos = new Map<string, NodeInfo>();
  readonly #dirty = new Set<string>();

  constructor(
    informers: InformerFactory,
    readonly schedulerName: string,
    readonly handlers: ClusterCacheHandlers,
  ) {
    this.#pods = informers.informer<corev1.Pod>(resources.pods);
    this.#nodes = informers.informer<corev1.Node>(resources.nodes);
    this.#namespaces = informers.informer<corev1.Namespace>(resources.namespaces);
    this.#nodes.addHandler({
      onAdd: (node) => this.#onNode(undefined, node),
      onUpdate: (before, node) => this.#onNode(before, node),
      onDelete: (node) => this.#dirty.add(node.metadata?.name ?? ""),
    });
    this.#pods.addHandler({
      onAdd: (pod) => this.#onPod(undefined, pod),
      onUpdate: (before, pod) => this.#onPod(before, pod),
      onDelete: (pod) => this.#onPodDeleted(pod),
    });
  }

  pod(key: string): corev1.Pod | undefined {
    return this.#pods.lister.getByKey(key);
  }

  podsOfNode(node: string): readonly corev1.Pod[] {
    return [...(this.#podsByNode.get(node)?.values() ?? [])].map((placed) => placed.pod);
  }

  assume(pod: corev1.Pod, node: string): void {
    this.#place(objectName(pod), node, pod);
  }

  forget(pod: corev1.Pod): void {
    const key = objectName(pod);
    // The watch may have shown the binding before its answer came back as an error.
    if (this.pod(key)?.spec?.nodeName) return;
    this.#unplace(key);
  }

  /** All nodes, by name. */
  snapshot(): NodeSnapshot {
    for (const name of this.#dirty) {
      const node = this.#nodes.lister.get(undefined, name);
      if (node === undefined) this.#infos.delete(name);
      else this.#infos.set(name, createNodeInfo(node, [...(this.#podsByNode.get(name)?.values() ?? [])]));
    }
    this.#dirty.clear();
    const nodes = [...this.#infos.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return { nodes, namespaceLabels: (namespace) => this.#namespaces.lister.get(undefined, namespace)?.metadata?.labels };
  }

  #onNode(before: corev1.Node | undefined, node: corev1.Node): void {
    const events = nodeEvents(before, node);
    if (events.length === 0) return;
    this.#dirty.add(node.metadata?.name ?? "");
    for (const event of events) this.handlers.onEvent(event);
  }

  #onPod(before: corev1.Pod | undefined, pod: corev1.Pod): void {
    const key = objectName(pod);
    const nodeName = pod.spec?.nodeName;
    if (isTerminal(pod)) {
      this.#onPodDeleted(pod);
      return;
    }
    if (nodeName) {
      this.handlers.onPodGone(key);
      this.#place(key, nodeName, pod);
      if (before?.spec?.nodeName === undefined || !sameLabels(before, pod)) this.handlers.onEvent("PodLabel");
      return;
    }
    if ((pod.spec?.schedulerName ?? "default-scheduler") !== this.schedulerName || pod.metadata?.deletionTimestamp !== undefined) {
      this.handlers.onPodGone(key);
      return;
    }
    // Our own condition on the pod is no news about it.
    if (before === undefined || before.metadata?.generation !== pod.metadata?.generation || !sameLabels(before, pod))
      this.handlers.onUnassignedPod(key, pod);
  }

  #onPodDeleted(pod: corev1.Pod): void {
    const key = objectName(pod);
    this.handlers.onPodGone(key);
    if (this.#unplace(key)) this.handlers.onEvent("PodDelete");
  }

  #place(key: string, node: string, pod: corev1.Pod): void {
    const known = this.#placed.get(key);
    if (known !== undefined && known.node !== node) this.#unplace(key);
    const placed = placePod(pod);
    this.#placed.set(key, { node, placed });
    let pods = this.#podsByNode.get(node);
    if (pods === undefined) {
      pods = new Map();
      this.#podsByNode.set(node, pods);
    }
    pods.set(key, placed);
    this.#dirty.add(node);
  }

  #unplace(key: string): boolean {
    const known = this.#placed.get(key);
    if (known === undefined) return false;
    this.#placed.delete(key);
    this.#podsByNode.get(known.node)?.delete(key);
    this.#dirty.add(known.node);
    return true;
  }
}

const isTerminal = (pod: corev1.Pod): boolean => pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";

const sameLabels = (a: corev1.Pod, b: corev1.Pod): boolean => JSON.stringify(a.metadata?.labels) === JSON.stringify(b.metadata?.labels);

/** What a node's change means for waiting pods; a heartbeat means nothing. */
export function nodeEvents(before: corev1.Node | undefined, node: corev1.Node): ClusterEvent[] {
  if (before === undefined) return ["NodeAdd"];
  const differs = (read: (node: corev1.Node) => unknown): boolean => JSON.stringify(read(before)) !== JSON.stringify(read(node));
  return [
    ...(differs((candidate) => candidate.spec) ? (["NodeTaint"] as const) : []),
    ...(differs((candidate) => candidate.metadata?.labels) ? (["NodeLabel"] as const) : []),
    ...(differs((candidate) => [candidate.status?.allocatable, candidate.status?.images]) ? (["NodeAllocatable"] as const) : []),
  ];
}
