// Rules of pod specs, in pods and in templates. Source: kubernetes pkg/apis/core/validation (ValidatePodSpec, ValidatePodTemplateSpec).
import {
  duplicate,
  type FieldError,
  type FieldPath,
  forbidden,
  invalid,
  isDNS1123Label,
  isDNS1123Subdomain,
  isQualifiedName,
  required,
  tooLong,
  validateAnnotations,
  validateLabels,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import {
  checkEach,
  checkIP,
  checkNonNegativeQuantity,
  checkOneOf,
  checkOptionalOneOf,
  checkOptionalRule,
  checkRange,
  checkRule,
} from "../../../validation/checks.js";
import { validateResourceRequirements } from "../resources/requirements.js";
import { validateContainers, validateEphemeralContainers, validateInitContainers } from "./container-validation.js";
import { validateScheduling } from "./scheduling-validation.js";
import { validatePodSecurityContext } from "./security-validation.js";
import { validateVolumes } from "./volume-validation.js";

export function validatePodTemplate(template: corev1.PodTemplateSpec, path: FieldPath): FieldError[] {
  const spec = template.spec ?? ({ containers: [] } as corev1.PodSpec);
  const errors = [
    ...validateLabels(template.metadata?.labels, path.child("labels")),
    ...validateAnnotations(template.metadata?.annotations, path.child("annotations")),
    ...validatePodSpec(spec, path.child("spec"), { podName: "", isPod: false }),
  ];
  if ((spec.ephemeralContainers ?? []).length > 0)
    errors.push(forbidden(path.child("spec", "ephemeralContainers"), "ephemeral containers not allowed in pod template"));
  return errors;
}

interface PodSpecOptions {
  /** "" for templates. */
  readonly podName: string;
  readonly isPod: boolean;
}

export function validatePodSpec(spec: corev1.PodSpec, path: FieldPath, options: PodSpecOptions): FieldError[] {
  const volumes = validateVolumes(spec.volumes, path.child("volumes"), options.podName);
  const surroundings = { spec, volumes: volumes.byName, podClaimNames: new Set((spec.resourceClaims ?? []).map((claim) => claim.name)) };
  return [
    ...(spec.terminationGracePeriodSeconds === undefined ? [required(path.child("terminationGracePeriodSeconds"))] : []),
    ...volumes.errors,
    ...validateResourceClaims(spec.resourceClaims, path.child("resourceClaims")),
    ...validateContainers(path, surroundings),
    ...validateInitContainers(path, surroundings),
    ...validateEphemeralContainers(path, surroundings),
    ...validatePodResources(spec, path, surroundings.podClaimNames),
    ...validateHostNetworkPorts(spec, path, options.isPod),
    ...checkOneOf(spec.restartPolicy, path.child("restartPolicy"), ["Always", "OnFailure", "Never"]),
    ...checkOneOf(spec.dnsPolicy, path.child("dnsPolicy"), ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]),
    ...validatePodSecurityContext(spec, path),
    ...validateScheduling(spec, path),
    ...validateDNSConfig(spec, path.child("dnsConfig")),
    ...checkEach(spec.readinessGates, path.child("readinessGates"), (gate, at) =>
      checkRule(gate.conditionType ?? "", at.child("conditionType"), isQualifiedName),
    ),
    ...validateNames(spec, path),
    ...checkRange(spec.activeDeadlineSeconds, path.child("activeDeadlineSeconds"), 1, 2 ** 31 - 1),
    ...checkEach(spec.hostAliases, path.child("hostAliases"), validateHostAlias),
    ...checkOptionalOneOf(spec.preemptionPolicy, path.child("preemptionPolicy"), ["PreemptLowerPriority", "Never"]),
    ...Object.entries(spec.overhead ?? {}).flatMap(([resource, text]) =>
      checkNonNegativeQuantity(text, path.child("overhead").key(resource)),
    ),
    ...validateOS(spec, path),
  ];
}

function validateNames(spec: corev1.PodSpec, path: FieldPath): FieldError[] {
  const errors = [
    ...checkOptionalRule(spec.serviceAccountName, path.child("serviceAccountName"), isDNS1123Subdomain),
    ...checkOptionalRule(spec.nodeName, path.child("nodeName"), isDNS1123Subdomain),
    ...checkOptionalRule(spec.hostname, path.child("hostname"), isDNS1123Label),
    ...checkOptionalRule(spec.subdomain, path.child("subdomain"), isDNS1123Label),
    ...checkOptionalRule(spec.priorityClassName, path.child("priorityClassName"), isDNS1123Subdomain),
    ...checkOptionalRule(spec.runtimeClassName, path.child("runtimeClassName"), isDNS1123Subdomain),
  ];
  const override = spec.hostnameOverride;
  if (override === undefined) return errors;
  const at = path.child("hostnameOverride");
  if (spec.setHostnameAsFQDN === true) errors.push(forbidden(at, "may not be specified when setHostnameAsFQDN is true"));
  if (spec.hostNetwork === true) errors.push(forbidden(at, "may not be specified when hostNetwork is true"));
  if (override.length > 64) errors.push(tooLong(at, 64));
  return [...errors, ...checkRule(override, at, isDNS1123Subdomain)];
}

function validateHostAlias(alias: corev1.HostAlias, path: FieldPath): FieldError[] {
  return [
    ...checkIP(alias.ip ?? "", path.child("ip")),
    ...checkEach(alias.hostnames, path.child("hostnames"), (name, at) => checkRule(name, at, isDNS1123Subdomain)),
  ];
}

function validateResourceClaims(claims: readonly corev1.PodResourceClaim[] | undefined, path: FieldPath): FieldError[] {
  const names = new Set<string>();
  return checkEach(claims, path, (claim, at) => {
    const errors = claim.name ? checkRule(claim.name, at.child("name"), isDNS1123Label) : [required(at.child("name"))];
    if (names.has(claim.name)) errors.push(duplicate(at.child("name"), claim.name));
    names.add(claim.name);
    const { resourceClaimName, resourceClaimTemplateName } = claim;
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined)
      errors.push(invalid(at, claim, "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"));
    if (resourceClaimName === undefined && resourceClaimTemplateName === undefined)
      errors.push(invalid(at, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"));
    return errors;
  });
}

function validatePodResources(spec: corev1.PodSpec, path: FieldPath, podClaimNames: ReadonlySet<string>): FieldError[] {
  if (spec.resources === undefined) return [];
  const at = path.child("resources");
  const errors =
    spec.resources.claims === undefined ? [] : [forbidden(at.child("claims"), "claims may not be set for Resources at pod-level")];
  return [...errors, ...validateResourceRequirements({ ...spec.resources, claims: undefined }, at, podClaimNames)];
}

function validateHostNetworkPorts(spec: corev1.PodSpec, path: FieldPath, isPod: boolean): FieldError[] {
  if (spec.hostNetwork !== true) return [];
  return checkEach(spec.containers, path.child("containers"), (container, at) =>
    checkEach(container.ports, at.child("ports"), (port, where) => {
      const hostPort = port.hostPort ?? 0;
      if ((!isPod && hostPort === 0) || hostPort === port.containerPort) return [];
      return [invalid(where.child("hostPort"), hostPort, "must match `containerPort` when `hostNetwork` is true")];
    }),
  );
}

const nameserversMax = 3;
const searchesMax = 32;
const searchCharactersMax = 2048;

function validateDNSConfig({ dnsPolicy, dnsConfig }: corev1.PodSpec, path: FieldPath): FieldError[] {
  if (dnsPolicy === "None") {
    if (dnsConfig === undefined) return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")];
    if ((dnsConfig.nameservers ?? []).length === 0)
      return [required(path.child("nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None")];
  }
  if (dnsConfig === undefined) return [];
  const { nameservers = [], searches = [] } = dnsConfig;
  const errors: FieldError[] = [];
  if (nameservers.length > nameserversMax)
    errors.push(invalid(path.child("nameservers"), nameservers, `must not have more than ${nameserversMax} nameservers`));
  errors.push(...checkEach(nameservers, path.child("nameservers"), checkIP));
  const at = path.child("searches");
  if (searches.length > searchesMax) errors.push(invalid(at, searches, `must not have more than ${searchesMax} search paths`));
  if (searches.join(" ").length > searchCharactersMax)
    errors.push(invalid(at, searches, `must not have more than ${searchCharactersMax} characters (including spaces) in the search list`));
  errors.push(
    ...checkEach(searches, at, (search, where) => (search === "." ? [] : checkRule(search.replace(/\.$/, ""), where, isSearchDomain))),
  );
  return [
    ...errors,
    ...checkEach(dnsConfig.options, path.child("options"), (option, where) => (option.name ? [] : [required(where, "must not be empty")])),
  ];
}

/** Like a subdomain, with underscores, which service records use. */
function isSearchDomain(value: string): string[] {
  if (value.includes("_")) return isDNS1123Subdomain(value.replace(/(^|\.)_/g, "$1").replaceAll("_", "-"));
  return isDNS1123Subdomain(value);
}

function validateOS(spec: corev1.PodSpec, path: FieldPath): FieldError[] {
  if (spec.os === undefined) return [];
  const at = path.child("os", "name");
  if (!spec.os.name) return [required(at, "cannot be empty")];
  const errors = checkOptionalOneOf(spec.os.name, at, ["linux", "windows"]);
  if (spec.os.name !== "linux") return errors;
  if (spec.securityContext?.windowsOptions !== undefined)
    errors.push(forbidden(path.child("securityContext", "windowsOptions"), "windows options cannot be set for a linux pod"));
  return errors;
}
