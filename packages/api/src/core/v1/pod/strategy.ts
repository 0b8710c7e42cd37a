// What endpoints of pods may change, and how pods end. Source: kubernetes pkg/registry/core/pod/strategy.go.
import { cloneJSON, type UpdateStrategy } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { podQOSClass } from "./qos.js";
import { validateEphemeralContainersUpdate, validateResize } from "./update-validation.js";

export function prepareNewPod(pod: corev1.Pod): void {
  const spec = pod.spec ?? ({ containers: [] } as corev1.PodSpec);
  pod.status = { phase: "Pending", qosClass: podQOSClass(spec) };
  if ((spec.schedulingGates ?? []).length > 0) {
    pod.status.conditions = [
      {
        type: "PodScheduled",
        status: "False",
        reason: "SchedulingGated",
        message: "Scheduling is blocked due to non-empty scheduling gates",
      },
    ];
  }
}

export function preparePodStatus(pod: corev1.Pod, old: corev1.Pod): void {
  // Only deletion itself may mark a pod as being deleted.
  if (pod.metadata !== undefined) delete pod.metadata.deletionTimestamp;
  const status = (pod.status ??= {});
  if (old.status?.qosClass !== undefined) status.qosClass = old.status.qosClass;
  // Single and plural fields say the same; old clients write only the single one.
  if (status.podIP && (status.podIPs ?? []).length === 0) status.podIPs = [{ ip: status.podIP }];
  else if (!status.podIP && status.podIPs?.[0]?.ip) status.podIP = status.podIPs[0].ip;
  if (status.hostIP && (status.hostIPs ?? []).length === 0) status.hostIPs = [{ ip: status.hostIP }];
}

/** 0 when nothing can be running; never negative. */
export function podGracePeriodSeconds(pod: corev1.Pod, requested: number | undefined): number {
  const phase = pod.status?.phase;
  if (!pod.spec?.nodeName || phase === "Succeeded" || phase === "Failed") return 0;
  const period = requested ?? pod.spec.terminationGracePeriodSeconds ?? 0;
  return period < 0 ? 1 : period;
}

/** Debug containers may be added, nothing else changes. */
export const ephemeralContainersStrategy: UpdateStrategy<corev1.Pod> = {
  prepareForUpdate(pod, old) {
    const wanted = pod.spec?.ephemeralContainers;
    restore(pod, old);
    if (pod.spec !== undefined && wanted !== undefined) pod.spec.ephemeralContainers = wanted;
  },
  validateUpdate: validateEphemeralContainersUpdate,
};

/** Resources of containers may change while they run, nothing else does. */
export const resizeStrategy: UpdateStrategy<corev1.Pod> = {
  prepareForUpdate(pod, old) {
    const wanted = cloneJSON(pod.spec);
    restore(pod, old);
    if (wanted === undefined || pod.spec === undefined) return;
    takeResources(pod.spec.containers, wanted.containers);
    takeResources(pod.spec.initContainers, wanted.initContainers);
    if (wanted.resources !== undefined) pod.spec.resources = wanted.resources;
  },
  validateUpdate: validateResize,
};

function restore(pod: corev1.Pod, old: corev1.Pod): void {
  const version = pod.metadata?.resourceVersion;
  const { managedFields } = pod.metadata ?? {};
  pod.metadata = cloneJSON(old.metadata ?? {});
  if (version !== undefined) pod.metadata.resourceVersion = version;
  if (managedFields !== undefined) pod.metadata.managedFields = managedFields;
  if (old.spec !== undefined) pod.spec = cloneJSON(old.spec);
  if (old.status !== undefined) pod.status = cloneJSON(old.status);
}

function takeResources(target: corev1.Container[] | undefined, source: readonly corev1.Container[] | undefined): void {
  for (const container of target ?? []) {
    const wanted = source?.find((candidate) => candidate.name === container.name);
    if (wanted === undefined) continue;
    if (wanted.resources !== undefined) container.resources = wanted.resources;
    if (wanted.resizePolicy !== undefined) container.resizePolicy = wanted.resizePolicy;
  }
}
