// Stopping a pod: how long, in which order. Upstream: killContainersWithSyncResult, KEP-753 termination order.
import type { corev1 } from "@lenj/proto/k8s";
import type { ContainerRecord, PodRuntimeState } from "../runtime-state.js";
import { isRestartableInit } from "./containers.js";

/** Shorter periods would kill before the process saw the signal. Upstream: minimumGracePeriodInSeconds. */
export const minimumGraceSeconds = 2;

export interface StopStep {
  readonly containerID: string;
  readonly name: string;
  readonly container: corev1.Container | undefined;
}

/**
 * Groups to stop one after the other, the members of a group together: first everything but sidecars,
 * then sidecars in the reverse of their start order.
 */
export function stopOrder(pod: corev1.Pod | undefined, runtime: PodRuntimeState): StopStep[][] {
  const alive = runtime.containers.filter((container) => container.state !== "exited");
  const sidecars = (pod?.spec?.initContainers ?? []).filter(isRestartableInit);
  const step = (record: ContainerRecord, container: corev1.Container | undefined): StopStep => ({
    containerID: record.id,
    name: record.name,
    container,
  });
  const find = (name: string): corev1.Container | undefined =>
    [...(pod?.spec?.containers ?? []), ...(pod?.spec?.initContainers ?? [])].find((container) => container.name === name);
  const first = alive
    .filter((record) => !sidecars.some((sidecar) => sidecar.name === record.name))
    .map((record) => step(record, find(record.name)));
  const groups = first.length > 0 ? [first] : [];
  for (const sidecar of [...sidecars].reverse()) {
    const records = alive.filter((record) => record.name === sidecar.name).map((record) => step(record, sidecar));
    if (records.length > 0) groups.push(records);
  }
  return groups;
}

/** Seconds the pod's containers get to stop. `override`: eviction or an orphan's fixed period. */
export function graceSeconds(pod: corev1.Pod | undefined, override: number | undefined): number {
  if (override !== undefined) return Math.max(override, 1);
  const seconds = pod?.metadata?.deletionGracePeriodSeconds ?? pod?.spec?.terminationGracePeriodSeconds ?? 30;
  // 0 means "as fast as possible"; one second lets the runtime send the signal at all.
  return Math.max(seconds, 1);
}

/** Seconds a container gets after its probe failed: the probe's own period, else the pod's. */
export function probeGraceSeconds(
  pod: corev1.Pod,
  container: corev1.Container | undefined,
  reason: "liveness" | "startup" | "changed" | "unknown",
): number {
  const probe = reason === "liveness" ? container?.livenessProbe : reason === "startup" ? container?.startupProbe : undefined;
  return Math.max(probe?.terminationGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30, 1);
}

/** When the pod has run for its active deadline, in epoch milliseconds; undefined when it has none or has not started. */
export function activeDeadlineMs(pod: corev1.Pod, startedAtMs: number | undefined): number | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds;
  return seconds === undefined || startedAtMs === undefined ? undefined : startedAtMs + seconds * 1000;
}
