// Nodes and pods in the short form that the tests of plugins read well with.
import type { corev1 } from "@lenj/proto/k8s";
import { normalizeScores, type Plugin } from "../core/framework.js";
import { createNodeInfo, type NodeInfo, type NodeSnapshot, placePod } from "../core/node-snapshot.js";

export interface NodeFacts {
  readonly labels?: Record<string, string>;
  readonly taints?: corev1.Taint[];
  readonly unschedulable?: boolean;
  readonly allocatable?: Record<string, string>;
  readonly images?: Record<string, number>;
  readonly pods?: readonly corev1.Pod[];
}

export function node(name: string, facts: NodeFacts = {}): NodeInfo {
  const images = Object.entries(facts.images ?? {}).map(([image, sizeBytes]) => ({ names: [image], sizeBytes }));
  const object: corev1.Node = {
    metadata: { name, labels: { "kubernetes.io/hostname": name, ...facts.labels } },
    spec: { taints: facts.taints ?? [], ...(facts.unschedulable !== undefined && { unschedulable: facts.unschedulable }) },
    status: { allocatable: { cpu: "1", memory: "1000Mi", pods: "10", ...facts.allocatable }, images },
  };
  return createNodeInfo(object, (facts.pods ?? []).map(placePod));
}

export interface PodFacts {
  readonly name?: string;
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
  readonly priority?: number;
  readonly requests?: Record<string, string>;
  readonly ports?: corev1.ContainerPort[];
  readonly image?: string;
  readonly spec?: Partial<corev1.PodSpec>;
}

export function pod(facts: PodFacts = {}): corev1.Pod {
  const { name = "p", namespace = "default", labels = {}, priority, requests, ports, image, spec } = facts;
  const container: corev1.Container = {
    name: "c",
    ...(image !== undefined && { image }),
    ...(requests !== undefined && { resources: { requests } }),
    ...(ports !== undefined && { ports }),
  };
  return { metadata: { name, namespace, labels }, spec: { containers: [container], ...(priority !== undefined && { priority }), ...spec } };
}

export function snapshotOf(nodes: readonly NodeInfo[], namespaces: Readonly<Record<string, Record<string, string>>> = {}): NodeSnapshot {
  return { nodes, namespaceLabels: (namespace) => namespaces[namespace] };
}

/** Reasons by node; nodes that take the pod have none. */
export function reasonsOf<State>(plugin: Plugin<State>, about: corev1.Pod, snapshot: NodeSnapshot): Record<string, readonly string[]> {
  const placed = placePod(about);
  const state = plugin.preFilter?.(placed, snapshot);
  if (state === "skip") return {};
  return Object.fromEntries(
    snapshot.nodes.flatMap((candidate) => {
      const rejection = plugin.filter?.(placed, candidate, state as State);
      return rejection === undefined ? [] : [[candidate.name, rejection.reasons]];
    }),
  );
}

/** Normalized scores by node; "skip" when the plugin has no preference. */
export function scoresOf<State>(plugin: Plugin<State>, about: corev1.Pod, snapshot: NodeSnapshot): Record<string, number> | "skip" {
  const placed = placePod(about);
  const state = plugin.preScore?.(placed, snapshot.nodes, snapshot);
  if (state === "skip") return "skip";
  const raw = snapshot.nodes.map((candidate) => plugin.score?.(placed, candidate, state as State) ?? 0);
  const scores = normalizeScores(raw, plugin.normalize ?? "none");
  return Object.fromEntries(snapshot.nodes.map(({ name }, position) => [name, scores[position] as number]));
}
