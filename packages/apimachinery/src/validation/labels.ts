import { type FieldError, forbidden, invalid, required } from "../field/field-error.js";
import type { FieldPath } from "../field/path.js";
import type { LabelSelector } from "../selector/label-selector.js";
import { isLabelValue, isQualifiedName } from "./names.js";

export function validateLabelName(name: string, path: FieldPath): FieldError[] {
  return isQualifiedName(name).map((message) => invalid(path, name, message));
}

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    errors.push(...validateLabelName(key, path));
    for (const message of isLabelValue(value)) errors.push(invalid(path, value, message));
  }
  return errors;
}

interface SelectorOptions {
  /** For old objects that already carry a bad value. */
  readonly allowInvalidLabelValues?: boolean;
}

export function validateLabelSelector(selector: LabelSelector | undefined, path: FieldPath, options: SelectorOptions = {}): FieldError[] {
  if (selector === undefined || selector === null) return [];
  const errors = validateLabels(selector.matchLabels, path.child("matchLabels"));
  for (const [position, requirement] of (selector.matchExpressions ?? []).entries()) {
    const at = path.child("matchExpressions").index(position);
    const values = requirement.values ?? [];
    if (requirement.operator === "In" || requirement.operator === "NotIn") {
      if (values.length === 0) errors.push(required(at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (requirement.operator === "Exists" || requirement.operator === "DoesNotExist") {
      if (values.length > 0)
        errors.push(forbidden(at.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
    } else {
      errors.push(invalid(at.child("operator"), requirement.operator, "not a valid selector operator"));
    }
    errors.push(...validateLabelName(requirement.key, at.child("key")));
    if (options.allowInvalidLabelValues === true) continue;
    for (const [index, value] of values.entries()) {
      for (const message of isLabelValue(value)) errors.push(invalid(at.child("values").index(index), value, message));
    }
  }
  return errors;
}
