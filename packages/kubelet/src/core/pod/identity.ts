// How pods and containers are named in labels, annotations, paths and messages. Upstream: pkg/kubelet/types.
import type { corev1 } from "@lenj/proto/k8s";

export const labels = {
  podName: "io.kubernetes.pod.name",
  podNamespace: "io.kubernetes.pod.namespace",
  podUID: "io.kubernetes.pod.uid",
  containerName: "io.kubernetes.container.name",
} as const;

export const annotations = {
  containerHash: "io.kubernetes.container.hash",
  restartCount: "io.kubernetes.container.restartCount",
  terminationMessagePath: "io.kubernetes.container.terminationMessagePath",
  terminationMessagePolicy: "io.kubernetes.container.terminationMessagePolicy",
  preStopHandler: "io.kubernetes.container.preStopHandler",
  ports: "io.kubernetes.container.ports",
  podDeletionGracePeriod: "io.kubernetes.pod.deletionGracePeriod",
  podTerminationGracePeriod: "io.kubernetes.pod.terminationGracePeriod",
  configSource: "kubernetes.io/config.source",
  configHash: "kubernetes.io/config.hash",
  configSeen: "kubernetes.io/config.seen",
  configMirror: "kubernetes.io/config.mirror",
} as const;

export function podUID(pod: corev1.Pod): string {
  return pod.metadata?.uid ?? "";
}

export function podNamespace(pod: corev1.Pod): string {
  return pod.metadata?.namespace ?? "default";
}

export function podName(pod: corev1.Pod): string {
  return pod.metadata?.name ?? "";
}

/** "ns/name", the form of log fields. */
export function podKey(pod: corev1.Pod): string {
  return `${podNamespace(pod)}/${podName(pod)}`;
}

/** "name_ns(uid)", the form of upstream's messages. */
export function formatPod(pod: corev1.Pod): string {
  return `${podName(pod)}_${podNamespace(pod)}(${podUID(pod)})`;
}

/** Came from a file of this node, not from the api-server. */
export function isStaticPod(pod: corev1.Pod): boolean {
  const source = pod.metadata?.annotations?.[annotations.configSource];
  return source !== undefined && source !== "api";
}

/** The api-server's image of a static pod. */
export function isMirrorPod(pod: corev1.Pod): boolean {
  return pod.metadata?.annotations?.[annotations.configMirror] !== undefined;
}

/** Priority of system-cluster-critical; pods from there on, and static pods, are the last to be evicted. */
const systemCriticalPriority = 2_000_000_000;

export function isCriticalPod(pod: corev1.Pod): boolean {
  return isStaticPod(pod) || isMirrorPod(pod) || (pod.spec?.priority ?? 0) >= systemCriticalPriority;
}

/** Critical to this very node: the kernel kills such a pod's processes last. */
export function isNodeCriticalPod(pod: corev1.Pod): boolean {
  return isCriticalPod(pod) && pod.spec?.priorityClassName === "system-node-critical";
}

/** Name of the pod's folder under the pod log root. */
export function podLogDirectory(logRoot: string, pod: { namespace: string; name: string; uid: string }): string {
  return `${logRoot}/${pod.namespace}_${pod.name}_${pod.uid}`;
}

/** 32-bit FNV-1a of a text, eight hex digits. */
export function hashText(text: string): string {
  let hash = 0x811c9dc5;
  for (let position = 0; position < text.length; position += 1) {
    const unit = text.charCodeAt(position);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    if (unit > 0xff) hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}

/** Hash of the fields whose change means a new container: name and image. The rest of a container cannot change. */
export function hashContainer(container: Pick<corev1.Container, "name" | "image">): string {
  return hashText(JSON.stringify([container.name, container.image ?? ""]));
}
