// What an update that says less keeps. Source: kubernetes pkg/registry/core/service (patchAllocatedValues, dropTypeDependentFields).
import type { corev1 } from "@lenj/proto/k8s";
import { isExternallyAccessible, needsHealthCheck } from "./defaults.js";

/** Allocated values are carried over when left out, and dropped when the new type has no use for them. */
export function keepAllocations(service: corev1.Service, old: corev1.Service): void {
  const { spec } = service;
  const before = old.spec;
  if (spec === undefined || before === undefined) return;
  if (usesClusterIP(spec) && usesClusterIP(before)) {
    if (!spec.clusterIP && (spec.clusterIPs ?? []).length === 0) {
      if (before.clusterIP !== undefined) spec.clusterIP = before.clusterIP;
      if (before.clusterIPs !== undefined) spec.clusterIPs = before.clusterIPs;
    } else if (spec.clusterIP && spec.clusterIP !== before.clusterIP && spec.clusterIPs?.[0] === before.clusterIPs?.[0]) {
      spec.clusterIPs = [spec.clusterIP];
    } else if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0];
    if (spec.ipFamilies === undefined && before.ipFamilies !== undefined) spec.ipFamilies = before.ipFamilies;
    if (spec.ipFamilyPolicy === undefined && before.ipFamilyPolicy !== undefined) spec.ipFamilyPolicy = before.ipFamilyPolicy;
  }
  if (usesNodePorts(spec) && usesNodePorts(before)) keepNodePorts(spec, before);
  if (needsHealthCheck(spec) && needsHealthCheck(before) && !spec.healthCheckNodePort && before.healthCheckNodePort !== undefined)
    spec.healthCheckNodePort = before.healthCheckNodePort;
  dropUnused(spec, before);
}

function keepNodePorts(spec: corev1.ServiceSpec, before: corev1.ServiceSpec): void {
  for (const port of spec.ports ?? []) {
    if (port.nodePort) continue;
    const known = before.ports?.find(
      (candidate) => candidate.port === port.port && (candidate.protocol ?? "TCP") === (port.protocol ?? "TCP"),
    );
    const taken = (spec.ports ?? []).some(
      (other) => other !== port && other.nodePort === known?.nodePort && other.protocol === port.protocol,
    );
    if (known?.nodePort && !taken) port.nodePort = known.nodePort;
  }
}

/** Values that the old type needed, the new one may not have, and the update only repeats. */
function dropUnused(spec: corev1.ServiceSpec, before: corev1.ServiceSpec): void {
  if (usesClusterIP(before) && !usesClusterIP(spec) && (spec.clusterIP ?? "") === (before.clusterIP ?? "")) {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    delete spec.ipFamilies;
    delete spec.ipFamilyPolicy;
  }
  if (usesNodePorts(before) && !usesNodePorts(spec)) {
    for (const port of spec.ports ?? []) if (before.ports?.some((candidate) => candidate.nodePort === port.nodePort)) delete port.nodePort;
  }
  if (needsHealthCheck(before) && !needsHealthCheck(spec) && spec.healthCheckNodePort === before.healthCheckNodePort)
    delete spec.healthCheckNodePort;
  if (before.type === "LoadBalancer" && spec.type !== "LoadBalancer") {
    if (spec.allocateLoadBalancerNodePorts === before.allocateLoadBalancerNodePorts) delete spec.allocateLoadBalancerNodePorts;
    if (spec.loadBalancerClass === before.loadBalancerClass) delete spec.loadBalancerClass;
  }
  if (isExternallyAccessible(before) && !isExternallyAccessible(spec) && spec.externalTrafficPolicy === before.externalTrafficPolicy)
    delete spec.externalTrafficPolicy;
}

const usesClusterIP = ({ type }: corev1.ServiceSpec): boolean => type !== "ExternalName";
const usesNodePorts = ({ type, allocateLoadBalancerNodePorts }: corev1.ServiceSpec): boolean =>
  type === "NodePort" || (type === "LoadBalancer" && allocateLoadBalancerNodePorts !== false);
