// Source: kubernetes pkg/apis/core/validation (Service).
import {
  duplicate,
  type FieldError,
  FieldPath,
  forbidden,
  invalid,
  isDNS1123Label,
  isDNS1123Subdomain,
  isPortName,
  isPortNumber,
  isQualifiedName,
  required,
  validateLabels,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import {
  checkCIDR,
  checkEach,
  checkIP,
  checkOneOf,
  checkOptionalOneOf,
  checkPort,
  checkRequiredRule,
  checkRule,
} from "../../../validation/checks.js";
import { isExternallyAccessible, needsHealthCheck } from "./defaults.js";

const specPath = FieldPath.of("spec");
const affinitySecondsMax = 86_400;

const isHeadless = (spec: corev1.ServiceSpec): boolean => spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === "None";

export function validateService({ spec = {} }: corev1.Service): FieldError[] {
  const errors: FieldError[] = [];
  if ((spec.ports ?? []).length === 0 && !isHeadless(spec) && spec.type !== "ExternalName") errors.push(required(specPath.child("ports")));
  return [
    ...errors,
    ...validateType(spec),
    ...validatePorts(spec, specPath.child("ports")),
    ...validateLabels(spec.selector, specPath.child("selector")),
    ...validateAffinity(spec),
    ...validateClusterIPs(spec),
    ...checkEach(spec.externalIPs, specPath.child("externalIPs"), checkIP),
    ...checkOneOf(spec.type, specPath.child("type"), ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]),
    ...validateLoadBalancer(spec),
    ...validateTrafficPolicies(spec),
  ];
}

function validateType(spec: corev1.ServiceSpec): FieldError[] {
  if (spec.type === "LoadBalancer" || spec.type === "NodePort") {
    return isHeadless(spec)
      ? [invalid(specPath.child("clusterIPs").index(0), "None", `may not be set to 'None' for ${spec.type} services`)]
      : [];
  }
  if (spec.type !== "ExternalName") return [];
  const message = "may not be set for ExternalName services";
  const errors: FieldError[] = [];
  if ((spec.clusterIPs ?? []).length > 0) errors.push(forbidden(specPath.child("clusterIPs"), message));
  if ((spec.ipFamilies ?? []).length > 0) errors.push(forbidden(specPath.child("ipFamilies"), message));
  if (spec.ipFamilyPolicy !== undefined) errors.push(forbidden(specPath.child("ipFamilyPolicy"), message));
  return [
    ...errors,
    ...checkRequiredRule((spec.externalName ?? "").replace(/\.$/, ""), specPath.child("externalName"), isDNS1123Subdomain),
  ];
}

function validatePorts(spec: corev1.ServiceSpec, path: FieldPath): FieldError[] {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  return checkEach(ports, path, (port, at) => {
    const errors: FieldError[] = [];
    if (!port.name && ports.length > 1) errors.push(required(at.child("name")));
    if (port.name) {
      errors.push(...checkRule(port.name, at.child("name"), isDNS1123Label));
      if (names.has(port.name)) errors.push(duplicate(at.child("name"), port.name));
      names.add(port.name);
    }
    errors.push(...isPortNumber(port.port ?? 0).map((message) => invalid(at.child("port"), port.port ?? 0, message)));
    errors.push(...checkOneOf(port.protocol, at.child("protocol"), ["SCTP", "TCP", "UDP"]));
    errors.push(...checkPort(port.targetPort, at.child("targetPort"), { number: isPortNumber, name: isPortName }));
    if (port.appProtocol !== undefined) errors.push(...checkRule(port.appProtocol, at.child("appProtocol"), isQualifiedName));
    if (spec.type === "ClusterIP" && port.nodePort)
      errors.push(forbidden(at.child("nodePort"), "may not be used when `type` is 'ClusterIP'"));
    const nodeKey = `${port.protocol}/${port.nodePort}`;
    if (port.nodePort && nodePorts.has(nodeKey)) errors.push(duplicate(at.child("nodePort"), port.nodePort));
    nodePorts.add(nodeKey);
    const key = `${port.protocol}/${port.port}`;
    if (numbers.has(key)) errors.push(duplicate(at, { protocol: port.protocol, port: port.port }));
    numbers.add(key);
    return errors;
  });
}

function validateAffinity(spec: corev1.ServiceSpec): FieldError[] {
  const errors = checkOneOf(spec.sessionAffinity, specPath.child("sessionAffinity"), ["ClientIP", "None"]);
  const at = specPath.child("sessionAffinityConfig");
  if (spec.sessionAffinity === "None" && spec.sessionAffinityConfig !== undefined)
    errors.push(forbidden(at, "must not be set when session affinity is None"));
  if (spec.sessionAffinity !== "ClientIP") return errors;
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (seconds === undefined) return [...errors, required(at, "when session affinity type is ClientIP")];
  return seconds > 0 && seconds <= affinitySecondsMax
    ? errors
    : [...errors, invalid(at.child("clientIP", "timeoutSeconds"), seconds, `must be greater than 0 and less than ${affinitySecondsMax}`)];
}

function validateClusterIPs(spec: corev1.ServiceSpec): FieldError[] {
  if (spec.type === "ExternalName") return [];
  const at = specPath.child("clusterIPs");
  const addresses = spec.clusterIPs ?? [];
  const errors: FieldError[] = [];
  if (spec.clusterIP) {
    if (addresses.length === 0) errors.push(required(at));
    else if (addresses[0] !== spec.clusterIP) errors.push(invalid(at, addresses, "first value must match `clusterIP`"));
  } else if (addresses.length > 0) errors.push(invalid(at, addresses, "must be empty when `clusterIP` is not specified"));
  errors.push(
    ...checkEach(spec.ipFamilies, specPath.child("ipFamilies"), (family, where) => checkOptionalOneOf(family, where, ["IPv4", "IPv6"])),
  );
  errors.push(
    ...checkOptionalOneOf(spec.ipFamilyPolicy, specPath.child("ipFamilyPolicy"), ["PreferDualStack", "RequireDualStack", "SingleStack"]),
  );
  if (addresses[0] === "None")
    return addresses.length > 1 ? [...errors, invalid(at, addresses, "'None' must be the first and only value")] : errors;
  errors.push(...checkEach(addresses, at, checkIP));
  if (addresses.length > 2) errors.push(invalid(at, addresses, "may only hold up to 2 values"));
  return errors;
}

function validateLoadBalancer(spec: corev1.ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  const only = "may only be used when `type` is 'LoadBalancer'";
  const ranges = specPath.child("LoadBalancerSourceRanges");
  if ((spec.loadBalancerSourceRanges ?? []).length > 0) {
    if (spec.type !== "LoadBalancer") errors.push(forbidden(ranges, only));
    errors.push(...checkEach(spec.loadBalancerSourceRanges, ranges, (range, at) => checkCIDR(range.trim(), at)));
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && spec.type !== "LoadBalancer")
    errors.push(forbidden(specPath.child("allocateLoadBalancerNodePorts"), only));
  if (spec.loadBalancerClass === undefined) return errors;
  const at = specPath.child("loadBalancerClass");
  return spec.type === "LoadBalancer"
    ? [...errors, ...checkRule(spec.loadBalancerClass, at, isQualifiedName)]
    : [...errors, forbidden(at, only)];
}

function validateTrafficPolicies(spec: corev1.ServiceSpec): FieldError[] {
  const external = specPath.child("externalTrafficPolicy");
  const health = specPath.child("healthCheckNodePort");
  const errors: FieldError[] = [];
  if (isExternallyAccessible(spec)) errors.push(...checkOneOf(spec.externalTrafficPolicy, external, ["Cluster", "Local"]));
  else if (spec.externalTrafficPolicy)
    errors.push(invalid(external, spec.externalTrafficPolicy, "may only be set for externally-accessible services"));
  if (needsHealthCheck(spec)) {
    if (!spec.healthCheckNodePort) errors.push(required(health));
  } else if (spec.healthCheckNodePort)
    errors.push(
      invalid(health, spec.healthCheckNodePort, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"),
    );
  if (spec.type !== "ExternalName")
    errors.push(...checkOneOf(spec.internalTrafficPolicy, specPath.child("internalTrafficPolicy"), ["Cluster", "Local"]));
  return [
    ...errors,
    ...checkOptionalOneOf(spec.trafficDistribution, specPath.child("trafficDistribution"), [
      "PreferClose",
      "PreferSameZone",
      "PreferSameNode",
    ]),
  ];
}

export function validateServiceUpdate(service: corev1.Service, old: corev1.Service): FieldError[] {
  const spec = service.spec ?? {};
  const before = old.spec ?? {};
  const errors = validateService(service);
  if (spec.type === "ExternalName" || before.type === "ExternalName" || (isHeadless(spec) && isHeadless(before))) return errors;
  const at = specPath.child("clusterIPs").index(0);
  const now = spec.clusterIPs ?? [];
  const was = before.clusterIPs ?? [];
  if (was.length > 0 && now.length === 0) errors.push(invalid(at, now, "primary clusterIP can not be unset"));
  else if (was.length > 0 && now[0] !== was[0]) errors.push(invalid(at, now, "may not change once set"));
  const family = before.ipFamilies?.[0];
  if (family !== undefined && isHeadless(spec) === isHeadless(before) && spec.ipFamilies?.[0] !== family)
    errors.push(invalid(specPath.child("ipFamilies").index(0), spec.ipFamilies ?? [], "may not change once set"));
  if (needsHealthCheck(spec) && needsHealthCheck(before) && spec.healthCheckNodePort !== before.healthCheckNodePort)
    errors.push(forbidden(specPath.child("healthCheckNodePort"), "field is immutable"));
  if (spec.type === "LoadBalancer" && before.type === "LoadBalancer" && spec.loadBalancerClass !== before.loadBalancerClass)
    errors.push(invalid(specPath.child("loadBalancerClass"), spec.loadBalancerClass, "may not change once set"));
  return errors;
}
