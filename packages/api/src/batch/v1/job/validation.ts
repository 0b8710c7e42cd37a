// Source: kubernetes pkg/apis/batch/validation.
import {
  compileLabelSelector,
  type FieldError,
  FieldPath,
  invalid,
  notSupported,
  required,
  semanticEqual,
  validateImmutable,
  validateLabelSelector,
  validateNonNegative,
} from "@lenj/apimachinery";
import type { batchv1 } from "@lenj/proto/k8s";
import { validatePodTemplate } from "../../../core/v1/pod-spec/validation.js";

const counters = [
  "parallelism",
  "completions",
  "activeDeadlineSeconds",
  "backoffLimit",
  "ttlSecondsAfterFinished",
  "backoffLimitPerIndex",
  "maxFailedIndexes",
] as const;

/** `spec` of a Job, whose selector has been generated. */
export function validateJobSpec(spec: batchv1.JobSpec | undefined, path: FieldPath): FieldError[] {
  const errors = validateJobTemplateSpec(spec, path);
  if (spec?.selector === undefined) return [...errors, required(path.child("selector"))];
  errors.push(...validateLabelSelector(spec.selector, path.child("selector")));
  try {
    if (!compileLabelSelector(spec.selector).matches(spec.template?.metadata?.labels))
      errors.push(
        invalid(
          path.child("template", "metadata", "labels"),
          spec.template?.metadata?.labels,
          "`selector` does not match template `labels`",
        ),
      );
  } catch {
    errors.push(invalid(path.child("selector"), spec.selector, "invalid label selector"));
  }
  return errors;
}

/** Rules that hold for the jobs a CronJob will make too, which have no selector yet. */
export function validateJobTemplateSpec(spec: batchv1.JobSpec | undefined, path: FieldPath): FieldError[] {
  const errors = counters.flatMap((field) => validateNonNegative(spec?.[field], path.child(field)));
  const at = path.child("template");
  errors.push(...validatePodTemplate(spec?.template ?? {}, at));
  const policy = spec?.template?.spec?.restartPolicy;
  // The usual default makes no sense for something that is to end.
  if (policy === "Always" || !policy) errors.push(required(at.child("spec", "restartPolicy"), 'valid values: "OnFailure", "Never"'));
  else if (policy !== "OnFailure" && policy !== "Never")
    errors.push(notSupported(at.child("spec", "restartPolicy"), policy, ["OnFailure", "Never"]));
  if (spec?.completionMode === "Indexed" && spec.completions === undefined)
    errors.push(required(path.child("completions"), "when completion mode is Indexed"));
  if (spec?.completionMode !== undefined && spec.completionMode !== "Indexed" && spec.completionMode !== "NonIndexed")
    errors.push(notSupported(path.child("completionMode"), spec.completionMode, ["Indexed", "NonIndexed"]));
  return errors;
}

export function validateJobUpdate(object: batchv1.Job, old: batchv1.Job): FieldError[] {
  const path = FieldPath.of("spec");
  const errors = validateJobSpec(object.spec, path);
  if (object.spec?.completionMode !== "Indexed")
    errors.push(...validateImmutable(object.spec?.completions, old.spec?.completions, path.child("completions")));
  errors.push(...validateImmutable(object.spec?.selector, old.spec?.selector, path.child("selector")));
  errors.push(...validateImmutable(object.spec?.completionMode, old.spec?.completionMode, path.child("completionMode")));
  // A job that has not started may still be told where to run.
  const startable = old.spec?.suspend === true && !old.status?.startTime;
  if (!startable && !semanticEqual(object.spec?.template, old.spec?.template))
    errors.push(invalid(path.child("template"), object.spec?.template, "field is immutable"));
  return errors;
}
