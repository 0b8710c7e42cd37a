// Phase of a pod from its container statuses. Upstream: getPhase in kubelet_pods.go.
import type { corev1 } from "@lenj/proto/k8s";
import { isRestartableInit, restartsAfterExit, restartsOnFailure } from "./containers.js";

export type PodPhase = "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";

export function isTerminalPhase(phase: string | undefined): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

/** `ending`: the pod is told to stop and nothing of it will be restarted. */
export function podPhase(
  pod: corev1.Pod,
  initStatuses: readonly corev1.ContainerStatus[],
  statuses: readonly corev1.ContainerStatus[],
  ending: boolean,
): PodPhase {
  const init = countInit(pod, initStatuses);
  if (init.failed > 0) return "Failed";
  const count = countContainers(pod, statuses);
  if (init.pending > 0 && !(ending && count.unknown === 0 && count.running === 0 && count.stopped > 0 && count.waiting === 0))
    return "Pending";
  if (count.waiting > 0 && !ending) return "Pending";
  if (count.running > 0 && count.unknown === 0) return "Running";
  if (count.running === 0 && count.stopped > 0 && count.unknown === 0) {
    if (ending) return count.stopped === count.succeeded ? "Succeeded" : "Failed";
    if (count.restarting > 0) return "Running";
    return count.stopped === count.succeeded ? "Succeeded" : "Failed";
  }
  return "Pending";
}

function countInit(pod: corev1.Pod, statuses: readonly corev1.ContainerStatus[]): { pending: number; failed: number } {
  let pending = 0;
  let failed = 0;
  for (const container of pod.spec?.initContainers ?? []) {
    const status = statuses.find((candidate) => candidate.name === container.name);
    if (isRestartableInit(container)) {
      // A sidecar that has ever started does not hold back the phase.
      if (status?.state?.terminated === undefined && status?.started !== true && status?.lastState?.terminated === undefined) pending += 1;
      continue;
    }
    const ended = status?.state?.terminated ?? (status?.state?.waiting !== undefined ? status.lastState?.terminated : undefined);
    if (ended === undefined) pending += 1;
    else if (ended.exitCode !== 0) {
      if (status?.state?.terminated !== undefined && !restartsOnFailure(pod, container)) failed += 1;
      else pending += 1;
    }
  }
  return { pending, failed };
}

interface Counts {
  unknown: number;
  running: number;
  waiting: number;
  stopped: number;
  succeeded: number;
  restarting: number;
}

function countContainers(pod: corev1.Pod, statuses: readonly corev1.ContainerStatus[]): Counts {
  const count: Counts = { unknown: 0, running: 0, waiting: 0, stopped: 0, succeeded: 0, restarting: 0 };
  for (const container of pod.spec?.containers ?? []) {
    const status = statuses.find((candidate) => candidate.name === container.name);
    if (status === undefined) count.unknown += 1;
    else if (status.state?.running !== undefined) count.running += 1;
    else if (status.state?.terminated !== undefined) {
      count.stopped += 1;
      if (status.state.terminated.exitCode === 0) count.succeeded += 1;
      if (restartsAfterExit(pod, container, status.state.terminated.exitCode ?? 0)) count.restarting += 1;
    } else if (status.state?.waiting !== undefined) {
      // Waiting for a restart counts as stopped: the pod has been running.
      if (status.lastState?.terminated !== undefined) {
        count.stopped += 1;
        count.restarting += 1;
      } else count.waiting += 1;
    } else count.unknown += 1;
  }
  return count;
}
