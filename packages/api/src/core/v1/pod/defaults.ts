import type { corev1 } from "@lenj/proto/k8s";
import { setPodSpecDefaults } from "../pod-spec/defaults.js";

export function setPodDefaults(pod: corev1.Pod): void {
  const { spec } = pod;
  if (spec === undefined) return;
  setPodSpecDefaults(spec);
  spec.enableServiceLinks ??= true;
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) setRequestDefaults(container.resources);
  setRequestDefaults(spec.resources);
  if (spec.hostNetwork === true) {
    for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
      for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
    }
  }
}

/** What is limited and not asked for is asked for in full. */
function setRequestDefaults(resources: corev1.ResourceRequirements | undefined): void {
  for (const [resource, limit] of Object.entries(resources?.limits ?? {})) {
    if (resources === undefined) return;
    resources.requests ??= {};
    resources.requests[resource] ??= limit;
  }
}
