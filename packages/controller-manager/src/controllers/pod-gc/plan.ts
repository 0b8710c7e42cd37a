// Which pods nobody will clean up any more. Pure.
// Source: pkg/controller/podgc/gc_controller.go.
import type { corev1 } from "@lenj/proto/k8s";

export interface ObservedPods {
  readonly pods: readonly corev1.Pod[];
  readonly nodeNames: ReadonlySet<string>;
  /** Nodes that have been missing for the quarantine time. */
  readonly goneNodes: ReadonlySet<string>;
  /** Finished pods past this number go, oldest first; 0: none does. */
  readonly terminatedMax: number;
}

export interface Collected {
  readonly pod: corev1.Pod;
  readonly because: string;
}

export function planCollection({ pods, goneNodes, terminatedMax }: ObservedPods): Collected[] {
  const orphans = pods
    .filter((pod) => goneNodes.has(pod.spec?.nodeName ?? ""))
    .map((pod): Collected => ({ pod, because: "its node is gone" }));
  const unscheduled = pods
    .filter((pod) => pod.metadata?.deletionTimestamp !== undefined && !pod.spec?.nodeName)
    .map((pod): Collected => ({ pod, because: "it is being deleted and has no node" }));
  const finished = pods.filter((pod) => pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed");
  const oldestFirst = [...finished].sort((a, b) =>
    (a.metadata?.creationTimestamp ?? "") < (b.metadata?.creationTimestamp ?? "") ? -1 : 1,
  );
  const excess = terminatedMax > 0 ? oldestFirst.slice(0, Math.max(0, finished.length - terminatedMax)) : [];
  return [
    ...orphans,
    ...unscheduled,
    ...excess.map((pod): Collected => ({ pod, because: `more than ${terminatedMax} pods have finished` })),
  ];
}

/** Nodes that pods name and that do not exist. */
export function missingNodes({ pods, nodeNames }: Pick<ObservedPods, "pods" | "nodeNames">): Set<string> {
  return new Set(pods.flatMap((pod) => (pod.spec?.nodeName && !nodeNames.has(pod.spec.nodeName) ? [pod.spec.nodeName] : [])));
}
