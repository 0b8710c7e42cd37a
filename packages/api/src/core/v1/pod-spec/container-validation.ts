// Containers of all three sorts. Source: kubernetes pkg/apis/core/validation (validateContainers, validateInitContainers, validateEphemeralContainers).
import {
  duplicate,
  type FieldError,
  type FieldPath,
  forbidden,
  invalid,
  isDNS1123Label,
  isPortName,
  isPortNumber,
  notFound,
  notSupported,
  required,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { checkEach, checkOneOf, checkRequired, checkRequiredRule } from "../../../validation/checks.js";
import { validateResourceRequirements } from "../resources/requirements.js";
import { validateEnv, validateEnvFrom } from "./env-validation.js";
import { validateLifecycle, validateProbes } from "./handler-validation.js";
import { type VolumesByName, validateDevices, validateMounts } from "./mount-validation.js";
import { validateContainerSecurityContext } from "./security-validation.js";

/** What a container's rules take from the pod around it. */
export interface ContainerSurroundings {
  readonly spec: corev1.PodSpec;
  readonly volumes: VolumesByName;
  readonly podClaimNames: ReadonlySet<string>;
}

type ContainerLike = corev1.Container | corev1.EphemeralContainer;

export function validateContainers(path: FieldPath, surroundings: ContainerSurroundings): FieldError[] {
  const { spec } = surroundings;
  const at = path.child("containers");
  if ((spec.containers ?? []).length === 0) return [required(at)];
  const names = new Set<string>();
  const errors = checkEach(spec.containers, at, (container, where) => [
    ...validateShared(container, where, surroundings),
    ...(names.has(container.name) ? [duplicate(where.child("name"), container.name)] : (names.add(container.name), [])),
    ...validateLifecycle(container.lifecycle, where.child("lifecycle"), {
      gracePeriod: spec.terminationGracePeriodSeconds,
      os: spec.os?.name,
    }),
    ...validateProbes(container, where, spec.terminationGracePeriodSeconds),
    ...validateRestartRules(container, where),
  ]);
  return [...errors, ...validateHostPorts(spec.containers, at)];
}

export function validateInitContainers(path: FieldPath, surroundings: ContainerSurroundings): FieldError[] {
  const { spec } = surroundings;
  const at = path.child("initContainers");
  const names = new Set((spec.containers ?? []).map((container) => container.name));
  return checkEach(spec.initContainers, at, (container, where) => {
    const errors = [...validateShared(container, where, surroundings), ...validateRestartRules(container, where)];
    if (names.has(container.name)) errors.push(duplicate(where.child("name"), container.name));
    else if (container.name) names.add(container.name);
    errors.push(...validateHostPorts([container], at));
    if (container.restartPolicy === "Always") {
      errors.push(
        ...validateLifecycle(container.lifecycle, where.child("lifecycle"), {
          gracePeriod: spec.terminationGracePeriodSeconds,
          os: spec.os?.name,
        }),
      );
      return [...errors, ...validateProbes(container, where, spec.terminationGracePeriodSeconds)];
    }
    for (const field of ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const) {
      if (container[field] !== undefined)
        errors.push(forbidden(where.child(field), "may not be set for init containers without restartPolicy=Always"));
    }
    for (const [position, policy] of (container.resizePolicy ?? []).entries()) {
      if (policy.restartPolicy !== "RestartContainer") continue;
      errors.push(
        invalid(
          where.child("resizePolicy").index(position).child("restartPolicy"),
          policy.restartPolicy,
          "must not be set to 'RestartContainer' for non-sidecar initContainers",
        ),
      );
    }
    return errors;
  });
}

const ephemeralFields = new Set([
  "name",
  "image",
  "command",
  "args",
  "workingDir",
  "envFrom",
  "env",
  "volumeMounts",
  "volumeDevices",
  "terminationMessagePath",
  "terminationMessagePolicy",
  "imagePullPolicy",
  "securityContext",
  "stdin",
  "stdinOnce",
  "tty",
  "targetContainerName",
]);

export function validateEphemeralContainers(path: FieldPath, surroundings: ContainerSurroundings): FieldError[] {
  const { spec } = surroundings;
  const others = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((container) => container.name));
  const names = new Set(others);
  return checkEach(spec.ephemeralContainers, path.child("ephemeralContainers"), (container, where) => {
    const errors = [...validateShared(container, where, surroundings), ...validateImageText(container, where)];
    if (names.has(container.name)) errors.push(duplicate(where.child("name"), container.name));
    names.add(container.name);
    if (container.targetContainerName && !others.has(container.targetContainerName))
      errors.push(notFound(where.child("targetContainerName"), container.targetContainerName));
    for (const [field, value] of Object.entries(container)) {
      if (!ephemeralFields.has(field) && !isUnset(value))
        errors.push(forbidden(where.child(field), "cannot be set for an Ephemeral Container"));
    }
    for (const [position, mount] of (container.volumeMounts ?? []).entries()) {
      for (const field of ["subPath", "subPathExpr"] as const) {
        if (mount[field])
          errors.push(forbidden(where.child("volumeMounts").index(position).child(field), "cannot be set for an Ephemeral Container"));
      }
    }
    return errors;
  });
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0);
}

function validateShared(container: ContainerLike, path: FieldPath, { spec, volumes, podClaimNames }: ContainerSurroundings): FieldError[] {
  return [
    ...checkRequiredRule(container.name, path.child("name"), isDNS1123Label),
    ...checkRequired(container.image, path.child("image")),
    ...checkOneOf(container.terminationMessagePolicy, path.child("terminationMessagePolicy"), ["File", "FallbackToLogsOnError"]),
    ...validatePorts(container.ports, path.child("ports")),
    ...validateEnv(container.env, path.child("env")),
    ...validateEnvFrom(container.envFrom, path.child("envFrom")),
    ...validateMounts(container, path, volumes),
    ...validateDevices(container, path, volumes),
    ...checkOneOf(container.imagePullPolicy, path.child("imagePullPolicy"), ["Always", "IfNotPresent", "Never"]),
    ...validateResourceRequirements(container.resources, path.child("resources"), podClaimNames),
    ...validateResizePolicy(container.resizePolicy, path.child("resizePolicy"), spec.restartPolicy),
    ...validateContainerSecurityContext(container.securityContext, path.child("securityContext"), spec.hostUsers !== false),
  ];
}

/** For pods only; templates may carry it and are refused later. */
export function validateImageText(container: ContainerLike, path: FieldPath): FieldError[] {
  const image = container.image ?? "";
  return image.trim() === image ? [] : [invalid(path.child("image"), image, "must not have leading or trailing whitespace")];
}

function validatePorts(ports: readonly corev1.ContainerPort[] | undefined, path: FieldPath): FieldError[] {
  const names = new Set<string>();
  return checkEach(ports, path, (port, at) => {
    const errors: FieldError[] = [];
    if (port.name) {
      const problems = isPortName(port.name);
      for (const message of problems) errors.push(invalid(at.child("name"), port.name, message));
      if (problems.length === 0 && names.has(port.name)) errors.push(duplicate(at.child("name"), port.name));
      names.add(port.name);
    }
    if (!port.containerPort) errors.push(required(at.child("containerPort")));
    else
      for (const message of isPortNumber(port.containerPort)) errors.push(invalid(at.child("containerPort"), port.containerPort, message));
    if (port.hostPort)
      for (const message of isPortNumber(port.hostPort)) errors.push(invalid(at.child("hostPort"), port.hostPort, message));
    return [...errors, ...checkOneOf(port.protocol, at.child("protocol"), ["SCTP", "TCP", "UDP"])];
  });
}

/** A port of the node can be had once. */
function validateHostPorts(containers: readonly corev1.Container[], path: FieldPath): FieldError[] {
  const taken = new Set<string>();
  return checkEach(containers, path, (container, at) =>
    checkEach(container.ports, at.child("ports"), (port, where) => {
      if (!port.hostPort) return [];
      const key = `${port.protocol ?? ""}/${port.hostIP ?? ""}/${port.hostPort}`;
      if (taken.has(key)) return [duplicate(where.child("hostPort"), key)];
      taken.add(key);
      return [];
    }),
  );
}

function validateResizePolicy(
  policies: readonly corev1.ContainerResizePolicy[] | undefined,
  path: FieldPath,
  podRestartPolicy: string | undefined,
): FieldError[] {
  const seen = new Set<string>();
  return (policies ?? []).flatMap((policy, position) => {
    const errors: FieldError[] = [];
    if (seen.has(policy.resourceName)) errors.push(duplicate(path.index(position), policy.resourceName));
    seen.add(policy.resourceName);
    errors.push(
      ...checkOneOf(policy.resourceName, path, ["cpu", "memory"]),
      ...checkOneOf(policy.restartPolicy, path, ["NotRequired", "RestartContainer"]),
    );
    if (podRestartPolicy === "Never" && policy.restartPolicy !== "NotRequired")
      errors.push(invalid(path, policy.restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"));
    return errors;
  });
}

const restartPolicies = ["Always", "Never", "OnFailure"];

function validateRestartRules(container: corev1.Container, path: FieldPath): FieldError[] {
  const rules = container.restartPolicyRules ?? [];
  const errors: FieldError[] = [];
  if (container.restartPolicy === undefined) {
    if (rules.length > 0) errors.push(required(path.child("restartPolicy"), "must specify restartPolicy when restart rules are used"));
  } else if (!restartPolicies.includes(container.restartPolicy)) {
    errors.push(notSupported(path.child("restartPolicy"), container.restartPolicy, restartPolicies));
  }
  const more = checkEach(rules, path.child("restartPolicyRules"), (rule, at) => {
    const own = rule.action === "Restart" ? [] : [notSupported(at.child("action"), rule.action ?? "", ["Restart"])];
    if (rule.exitCodes === undefined) return [...own, required(at.child("exitCodes"), "must be specified")];
    const { operator } = rule.exitCodes;
    return operator === "In" || operator === "NotIn"
      ? own
      : [...own, notSupported(at.child("exitCodes", "operator"), operator ?? "", ["In", "NotIn"])];
  });
  return [...errors, ...more];
}
