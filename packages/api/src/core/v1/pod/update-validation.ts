// What may change in a pod. Source: kubernetes pkg/apis/core/validation (ValidatePodUpdate, ValidatePodEphemeralContainersUpdate, ValidatePodResize).
import { cloneJSON, type FieldError, FieldPath, forbidden, invalid, required, semanticEqual } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { describeDifference } from "../../../validation/difference.js";
import { validateTolerations } from "../pod-spec/scheduling-validation.js";
import { podQOSClass } from "./qos.js";
import { mirrorAnnotation, validatePodAsStored } from "./validation.js";

const specPath = FieldPath.of("spec");
const emptySpec: corev1.PodSpec = { containers: [] };

const updatableFields = [
  "`spec.containers[*].image`",
  "`spec.initContainers[*].image`",
  "`spec.activeDeadlineSeconds`",
  "`spec.tolerations` (only additions to existing tolerations)",
  "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
].join(",");

export function validatePodUpdate(pod: corev1.Pod, old: corev1.Pod): FieldError[] {
  const spec = pod.spec ?? emptySpec;
  const oldSpec = old.spec ?? emptySpec;
  const errors = validatePodAsStored(pod);
  for (const field of ["containers", "initContainers"] as const) {
    const at = specPath.child(field);
    if ((spec[field] ?? []).length !== (oldSpec[field] ?? []).length)
      return [...errors, forbidden(at, "pod updates may not add or remove containers")];
    for (const [position, container] of (spec[field] ?? []).entries())
      if (!container.image) errors.push(required(at.index(position).child("image")));
  }
  const deadline = validateDeadline(spec, oldSpec);
  if (deadline.length > 0) return [...errors, ...deadline];
  errors.push(...validateAddedTolerations(spec, oldSpec), ...validateRemovedGates(spec, oldSpec));
  if (semanticEqual(spec, oldSpec)) return errors;
  const rest = withoutMutable(spec, oldSpec);
  if (!semanticEqual(rest, oldSpec))
    errors.push(
      forbidden(specPath, `pod updates may not change fields other than ${updatableFields}\n${describeDifference(oldSpec, rest)}`),
    );
  return errors;
}

function validateDeadline(spec: corev1.PodSpec, old: corev1.PodSpec): FieldError[] {
  const at = specPath.child("activeDeadlineSeconds");
  const deadline = spec.activeDeadlineSeconds;
  if (deadline === undefined)
    return old.activeDeadlineSeconds === undefined ? [] : [invalid(at, null, "must not update from a positive integer to nil value")];
  if (deadline < 0 || deadline > 2 ** 31 - 1) return [invalid(at, deadline, "must be between 0 and 2147483647, inclusive")];
  return old.activeDeadlineSeconds !== undefined && old.activeDeadlineSeconds < deadline
    ? [invalid(at, deadline, "must be less than or equal to previous value")]
    : [];
}

function validateAddedTolerations(spec: corev1.PodSpec, old: corev1.PodSpec): FieldError[] {
  const at = specPath.child("tolerations");
  const kept = (old.tolerations ?? []).every((toleration) =>
    (spec.tolerations ?? []).some((candidate) =>
      semanticEqual({ ...candidate, tolerationSeconds: undefined }, { ...toleration, tolerationSeconds: undefined }),
    ),
  );
  if (!kept) return [forbidden(at, "existing toleration can not be modified except its tolerationSeconds")];
  return validateTolerations(spec.tolerations, at);
}

function validateRemovedGates(spec: corev1.PodSpec, old: corev1.PodSpec): FieldError[] {
  const known = new Set((old.schedulingGates ?? []).map((gate) => gate.name));
  return (spec.schedulingGates ?? []).flatMap((gate, position) =>
    known.has(gate.name)
      ? []
      : [
          forbidden(
            specPath.child("schedulingGates").index(position).child("name"),
            `only deletion is allowed, but found new scheduling gate '${gate.name}'`,
          ),
        ],
  );
}

/** The new spec with everything that may change put back. */
function withoutMutable(spec: corev1.PodSpec, old: corev1.PodSpec): corev1.PodSpec {
  const rest = cloneJSON(spec);
  for (const field of ["containers", "initContainers"] as const) {
    for (const [position, container] of (rest[field] ?? []).entries()) container.image = old[field]?.[position]?.image;
  }
  rest.activeDeadlineSeconds = old.activeDeadlineSeconds;
  rest.tolerations = old.tolerations;
  rest.schedulingGates = old.schedulingGates;
  if ((old.terminationGracePeriodSeconds ?? 0) < 0 && rest.terminationGracePeriodSeconds === 1)
    rest.terminationGracePeriodSeconds = old.terminationGracePeriodSeconds;
  // A pod that is held back has not been placed yet, so where it may go can still be narrowed.
  if ((old.schedulingGates ?? []).length > 0) {
    rest.nodeSelector = narrowedSelector(spec, old) ? old.nodeSelector : rest.nodeSelector;
    const nodeAffinity = old.affinity?.nodeAffinity;
    if (rest.affinity !== undefined || nodeAffinity !== undefined) rest.affinity = { ...rest.affinity, nodeAffinity };
    if (old.affinity === undefined && semanticEqual(rest.affinity, {})) rest.affinity = undefined;
  }
  return rest;
}

function narrowedSelector(spec: corev1.PodSpec, old: corev1.PodSpec): boolean {
  return Object.entries(old.nodeSelector ?? {}).every(([key, value]) => spec.nodeSelector?.[key] === value);
}

export function validateEphemeralContainersUpdate(pod: corev1.Pod, old: corev1.Pod): FieldError[] {
  const errors = validatePodAsStored(pod);
  if (old.metadata?.annotations?.[mirrorAnnotation] !== undefined)
    return [forbidden("", "static pods do not support ephemeral containers")];
  const at = specPath.child("ephemeralContainers");
  for (const container of old.spec?.ephemeralContainers ?? []) {
    const now = pod.spec?.ephemeralContainers?.find((candidate) => candidate.name === container.name);
    if (now === undefined) errors.push(forbidden(at, `existing ephemeral containers "${container.name}" may not be removed\n`));
    else if (!semanticEqual(now, container))
      errors.push(
        forbidden(at, `existing ephemeral containers "${container.name}" may not be changed\n${describeDifference(container, now)}`),
      );
  }
  return errors;
}

export function validateResize(pod: corev1.Pod, old: corev1.Pod): FieldError[] {
  const errors = validatePodAsStored(pod);
  if (old.metadata?.annotations?.[mirrorAnnotation] !== undefined) return [forbidden("", "static pods cannot be resized")];
  const spec = pod.spec ?? emptySpec;
  const oldSpec = old.spec ?? emptySpec;
  if (podQOSClass(spec) !== (old.status?.qosClass ?? podQOSClass(oldSpec)))
    errors.push(invalid(specPath, podQOSClass(spec), "Pod QOS Class may not change as a result of resizing"));
  for (const field of ["initContainers", "containers"] as const) {
    for (const [position, container] of (spec[field] ?? []).entries()) {
      errors.push(
        ...validateContainerResize(container, oldSpec[field]?.[position], specPath.child(field).index(position).child("resources")),
      );
    }
  }
  return errors;
}

/** Amounts of cpu and memory may change; nothing may appear, vanish, or change besides. */
function validateContainerResize(container: corev1.Container, old: corev1.Container | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ["requests", "limits"] as const) {
    const now = container.resources?.[field] ?? {};
    const before = old?.resources?.[field] ?? {};
    if (["cpu", "memory"].some((resource) => before[resource] !== undefined && now[resource] === undefined))
      errors.push(forbidden(path.child(field), `resource ${field} cannot be removed`));
    const fixed = (list: Readonly<Record<string, string>>): object =>
      Object.fromEntries(Object.entries(list).filter(([resource]) => resource !== "cpu" && resource !== "memory"));
    if (!semanticEqual(fixed(now), fixed(before))) errors.push(forbidden(specPath, "only cpu and memory resources are mutable"));
  }
  return errors;
}
