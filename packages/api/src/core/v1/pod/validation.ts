// Source: kubernetes pkg/apis/core/validation (ValidatePodCreate, ValidatePodStatusUpdate).
import { type FieldError, FieldPath, forbidden, invalid, isDNS1123Subdomain, isQualifiedName } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { checkEach, checkIP, checkOptionalRule, checkRule } from "../../../validation/checks.js";
import { validateImageText } from "../pod-spec/container-validation.js";
import { validatePodSpec } from "../pod-spec/validation.js";

export { validatePodUpdate } from "./update-validation.js";

const specPath = FieldPath.of("spec");
export const mirrorAnnotation = "kubernetes.io/config.mirror";

export function validatePod(pod: corev1.Pod): FieldError[] {
  const errors = validatePodAsStored(pod);
  if ((pod.spec?.ephemeralContainers ?? []).length > 0)
    errors.push(forbidden(specPath.child("ephemeralContainers"), "cannot be set on create"));
  // Gates hold a pod back from being scheduled, which has happened here already.
  if (pod.spec?.nodeName && (pod.spec.schedulingGates ?? []).length > 0)
    errors.push(forbidden(specPath.child("nodeName"), "cannot be set until all schedulingGates have been cleared"));
  return errors;
}

/** Rules for pods, new or changed. */
export function validatePodAsStored(pod: corev1.Pod): FieldError[] {
  const spec = pod.spec ?? ({ containers: [] } as corev1.PodSpec);
  return [
    ...validatePodSpec(spec, specPath, { podName: pod.metadata?.name ?? "", isPod: true }),
    ...checkEach(spec.containers, specPath.child("containers"), validateImageText),
    ...checkEach(spec.initContainers, specPath.child("initContainers"), validateImageText),
    ...validateMirror(pod, spec),
  ];
}

function validateMirror(pod: corev1.Pod, spec: corev1.PodSpec): FieldError[] {
  if (pod.metadata?.annotations?.[mirrorAnnotation] === undefined || spec.nodeName) return [];
  return [
    invalid(
      FieldPath.of("metadata", "annotations").key(mirrorAnnotation),
      spec.nodeName ?? "",
      "must set spec.nodeName if mirror pod annotation is set",
    ),
  ];
}

export function validatePodStatusUpdate(pod: corev1.Pod, old: corev1.Pod): FieldError[] {
  const path = FieldPath.of("status");
  const status = pod.status ?? {};
  const errors: FieldError[] = [];
  if ((pod.spec?.nodeName ?? "") !== (old.spec?.nodeName ?? "") && old.spec?.nodeName)
    errors.push(forbidden("status.nodeName", "may not be changed directly"));
  errors.push(...checkOptionalRule(status.nominatedNodeName, path.child("nominatedNodeName"), isDNS1123Subdomain));
  errors.push(
    ...checkEach(status.conditions, path.child("conditions"), (condition, at) =>
      condition.type.includes("/") ? checkRule(condition.type, at.child("Type"), isQualifiedName) : [],
    ),
  );
  errors.push(...validateTransitions(pod, old, "containerStatuses", path), ...validateTransitions(pod, old, "initContainerStatuses", path));
  const addresses = status.podIPs ?? [];
  errors.push(...checkEach(addresses, path.child("podIPs"), ({ ip }, at) => checkIP(ip ?? "", at)));
  if (addresses.length > 2) errors.push(invalid(path.child("podIPs"), addresses, "may specify no more than one IP for each IP family"));
  return errors;
}

/** What ended for good does not run again. */
function validateTransitions(
  pod: corev1.Pod,
  old: corev1.Pod,
  field: "containerStatuses" | "initContainerStatuses",
  path: FieldPath,
): FieldError[] {
  const policy = pod.spec?.restartPolicy;
  if (policy !== "Never" && policy !== "OnFailure") return [];
  const containers = (field === "containerStatuses" ? pod.spec?.containers : pod.spec?.initContainers) ?? [];
  return checkEach(old.status?.[field], path.child(field), (status, at) => {
    const ended = status.state?.terminated;
    if (ended === undefined || (policy === "OnFailure" && ended.exitCode !== 0)) return [];
    const container = containers.find((candidate) => candidate.name === status.name);
    // A container with a policy of its own may restart in a pod that does not.
    if (container?.restartPolicy !== undefined || (container?.restartPolicyRules ?? []).length > 0) return [];
    const now = pod.status?.[field]?.find((candidate) => candidate.name === status.name);
    if (now === undefined || now.state?.terminated !== undefined) return [];
    return [forbidden(at.child("state"), "may not be transitioned to non-terminated state")];
  });
}
