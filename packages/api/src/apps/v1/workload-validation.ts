// Rules that the workloads of this group share. Source: kubernetes pkg/apis/apps/validation.
import {
  compileLabelSelector,
  type FieldError,
  type FieldPath,
  forbidden,
  invalid,
  type LabelSelector,
  notSupported,
  percentOf,
  required,
  validateLabelSelector,
  validateNonNegative,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { validatePodTemplate } from "../../core/v1/pod-spec/validation.js";

type Replicated = {
  readonly selector?: LabelSelector | undefined;
  readonly template?: corev1.PodTemplateSpec | undefined;
};

interface WorkloadNames {
  /** As in "empty selector is invalid for deployment". */
  readonly kind: string;
  /** As in "activeDeadlineSeconds in ReplicaSet is not Supported". */
  readonly runner: string;
}

/** Selector, template, and that the one matches the other. */
export function validateSelectorAndTemplate(spec: Replicated, path: FieldPath, names: WorkloadNames): FieldError[] {
  const errors: FieldError[] = [];
  const { selector } = spec;
  if (selector === undefined || selector === null) errors.push(required(path.child("selector")));
  else {
    errors.push(...validateLabelSelector(selector, path.child("selector")));
    if (isEmptySelector(selector)) errors.push(invalid(path.child("selector"), selector, `empty selector is invalid for ${names.kind}`));
  }
  const at = path.child("template");
  const template = spec.template ?? {};
  try {
    const compiled = compileLabelSelector(selector);
    if (!compiled.isEverything && !compiled.matches(template.metadata?.labels)) {
      errors.push(invalid(at.child("metadata", "labels"), template.metadata?.labels, "`selector` does not match template `labels`"));
    }
  } catch {
    errors.push(invalid(path.child("selector"), selector, "invalid label selector"));
    return errors;
  }
  errors.push(...validatePodTemplate(template, at));
  const restartPolicy = template.spec?.restartPolicy;
  if (restartPolicy !== "Always") errors.push(notSupported(at.child("spec", "restartPolicy"), restartPolicy ?? "", ["Always"]));
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    errors.push(forbidden(at.child("spec", "activeDeadlineSeconds"), `activeDeadlineSeconds in ${names.runner} is not Supported`));
  }
  return errors;
}

export function isEmptySelector(selector: LabelSelector): boolean {
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}

/** The number itself, or the number before the percent sign. */
export function countOrPercent(value: number | string | undefined): number {
  if (typeof value === "number") return value;
  return percentOf(value) ?? (Number(value) || 0);
}

/** All fields count things. */
export function validateCounters(status: object, path: FieldPath, fields: readonly string[]): FieldError[] {
  return fields.flatMap((name) => validateNonNegative((status as Record<string, number | undefined>)[name], path.child(name)));
}

/** Each named field counts part of what `whole` counts. */
export function validateNotGreater(
  status: object,
  path: FieldPath,
  options: { fields: readonly string[]; whole: string; message: string },
): FieldError[] {
  const counters = status as Record<string, number | undefined>;
  const limit = counters[options.whole] ?? 0;
  return options.fields
    .filter((name) => (counters[name] ?? 0) > limit)
    .map((name) => invalid(path.child(name), counters[name] ?? 0, options.message));
}

export function validateCollisionCount(count: number | undefined, old: number | undefined, path: FieldPath): FieldError[] {
  return old !== undefined && (count ?? -1) < old ? [invalid(path.child("collisionCount"), count ?? 0, "cannot be decremented")] : [];
}
