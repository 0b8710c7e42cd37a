// The containers of a pod and whether each is to run again. Upstream: kubecontainer.ShouldContainerBeRestarted, container restart rules.
import type { corev1 } from "@lenj/proto/k8s";
import type { ContainerRecord } from "../runtime-state.js";

export type ContainerRole = "init" | "sidecar" | "app" | "ephemeral";

export interface PodContainer {
  readonly role: ContainerRole;
  readonly container: corev1.Container;
}

export function isRestartableInit(container: corev1.Container): boolean {
  return container.restartPolicy === "Always";
}

/** Init containers and sidecars in order, then containers, then ephemeral containers. */
export function podContainers(pod: corev1.Pod): PodContainer[] {
  return [
    ...(pod.spec?.initContainers ?? []).map(
      (container): PodContainer => ({ role: isRestartableInit(container) ? "sidecar" : "init", container }),
    ),
    ...(pod.spec?.containers ?? []).map((container): PodContainer => ({ role: "app", container })),
    // An EphemeralContainer has every field of a Container, plus its target.
    ...(pod.spec?.ephemeralContainers ?? []).map(
      (container): PodContainer => ({ role: "ephemeral", container: container as unknown as corev1.Container }),
    ),
  ];
}

export function findPodContainer(pod: corev1.Pod, name: string): PodContainer | undefined {
  return podContainers(pod).find((candidate) => candidate.container.name === name);
}

/** Whether an exit with `exitCode` is followed by a restart, by the container's rules and the pod's policy. */
export function restartsAfterExit(pod: corev1.Pod, container: corev1.Container, exitCode: number): boolean {
  for (const rule of container.restartPolicyRules ?? []) {
    const values = rule.exitCodes?.values ?? [];
    const listed = values.includes(exitCode);
    const matches = rule.exitCodes?.operator === "In" ? listed : rule.exitCodes?.operator === "NotIn" ? !listed : false;
    if (matches) return rule.action === "Restart";
  }
  const policy = container.restartPolicy ?? pod.spec?.restartPolicy ?? "Always";
  if (policy === "Never") return false;
  return policy === "Always" || exitCode !== 0;
}

/** Whether a container that is not running should be started: it never ran, got stuck before running, or is to be restarted. */
export function shouldStart(pod: corev1.Pod, container: corev1.Container, latest: ContainerRecord | undefined): boolean {
  if (pod.metadata?.deletionTimestamp !== undefined) return false;
  if (latest === undefined) return true;
  if (latest.state === "running") return false;
  if (latest.state === "exited") return restartsAfterExit(pod, container, latest.exitCode);
  return true;
}

/** Whether any failure of this container may be followed by a restart: what decides if a changed sandbox is rebuilt. */
export function restartsOnFailure(pod: corev1.Pod, container: corev1.Container): boolean {
  return restartsAfterExit(pod, container, 1);
}
