// Source: kubernetes pkg/apis/core/validation (LimitRange).
import { duplicate, type FieldError, FieldPath, forbidden, invalid, Quantity, required } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { validateResourceName } from "../resources/resource-names.js";

type Bounds = Record<string, string>;

export function validateLimitRange({ spec }: corev1.LimitRange): FieldError[] {
  const seen = new Set<string>();
  return (spec?.limits ?? []).flatMap((item, position) => {
    const path = FieldPath.of("spec", "limits").index(position);
    const errors: FieldError[] = [];
    if (seen.has(item.type)) errors.push(duplicate(path.child("type"), item.type));
    seen.add(item.type);
    errors.push(...validateNames(item, path), ...validatePlacement(item, path));
    const resources = new Set(
      [item.max, item.min, item.default, item.defaultRequest, item.maxLimitRequestRatio].flatMap((list) => Object.keys(list ?? {})),
    );
    for (const resource of resources) errors.push(...validateBounds(item, resource, path));
    if (item.type === "PersistentVolumeClaim" && item.min?.["storage"] === undefined && item.max?.["storage"] === undefined) {
      errors.push(required(path.child("limits"), "either minimum or maximum storage value is required, but neither was provided"));
    }
    return errors;
  });
}

function validateNames(item: corev1.LimitRangeItem, path: FieldPath): FieldError[] {
  return (["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] as const).flatMap((field) =>
    Object.keys(item[field] ?? {}).flatMap((resource) => validateResourceName(resource, path.child(field).key(resource))),
  );
}

function validatePlacement(item: corev1.LimitRangeItem, path: FieldPath): FieldError[] {
  if (item.type !== "Pod") return [];
  return (["default", "defaultRequest"] as const)
    .filter((field) => Object.keys(item[field] ?? {}).length > 0)
    .map((field) => forbidden(path.child(field), "may not be specified when `type` is 'Pod'"));
}

function validateBounds(item: corev1.LimitRangeItem, resource: string, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const value = (list: Bounds | undefined): Quantity | undefined =>
    list?.[resource] === undefined ? undefined : Quantity.parse(list[resource]);
  const [min, max, byDefault, request] = [value(item.min), value(item.max), value(item.default), value(item.defaultRequest)];
  const ordered = (low: Quantity | undefined, high: Quantity | undefined, field: string, names: [string, string]): void => {
    if (low === undefined || high === undefined || low.compare(high) <= 0) return;
    errors.push(
      invalid(path.child(field).key(resource), low.toString(), `${names[0]} value ${low} is greater than ${names[1]} value ${high}`),
    );
  };
  ordered(min, max, "min", ["min", "max"]);
  ordered(min, request, "defaultRequest", ["min", "default request"]);
  ordered(request, max, "defaultRequest", ["default request", "max"]);
  ordered(request, byDefault, "defaultRequest", ["default request", "default limit"]);
  ordered(min, byDefault, "default", ["min", "default"]);
  ordered(byDefault, max, "default", ["default", "max"]);
  const ratio = value(item.maxLimitRequestRatio);
  if (ratio !== undefined && ratio.compare(Quantity.of(1)) < 0)
    errors.push(invalid(path.child("maxLimitRequestRatio").key(resource), ratio.toString(), `ratio ${ratio} is less than 1`));
  return errors;
}
