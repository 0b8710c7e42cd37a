// Source: kubernetes pkg/apis/core/validation (PersistentVolumeClaim).
import {
  cloneJSON,
  type FieldError,
  FieldPath,
  forbidden,
  invalid,
  isDNS1123Subdomain,
  notSupported,
  Quantity,
  required,
  semanticEqual,
  validateImmutable,
  validateLabelSelector,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { checkOptionalOneOf, checkOptionalRule } from "../../../validation/checks.js";

export const accessModes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const specPath = FieldPath.of("spec");

export function validateClaimSpec(spec: corev1.PersistentVolumeClaimSpec, path: FieldPath): FieldError[] {
  const modes = spec.accessModes ?? [];
  const errors: FieldError[] = modes.length === 0 ? [required(path.child("accessModes"), "at least 1 access mode is required")] : [];
  errors.push(...validateLabelSelector(spec.selector, path.child("selector")), ...validateAccessModes(modes, path.child("accessModes")));
  const at = path.child("resources").key("storage");
  const storage = spec.resources?.requests?.["storage"];
  if (storage === undefined) errors.push(required(at));
  else if (Quantity.parse(storage).sign() <= 0) errors.push(invalid(at, storage, "must be greater than zero"));
  errors.push(...checkOptionalRule(spec.storageClassName, path.child("storageClassName"), isDNS1123Subdomain));
  return [...errors, ...checkOptionalOneOf(spec.volumeMode, path.child("volumeMode"), ["Block", "Filesystem"])];
}

export function validateAccessModes(modes: readonly string[], path: FieldPath): FieldError[] {
  const errors = modes.filter((mode) => !accessModes.includes(mode)).map((mode) => notSupported(path, mode, accessModes));
  if (modes.includes("ReadWriteOncePod") && modes.some((mode) => mode !== "ReadWriteOncePod" && accessModes.includes(mode)))
    errors.push(forbidden(path, "may not use ReadWriteOncePod with other access modes"));
  return errors;
}

export function validateClaimUpdate(claim: corev1.PersistentVolumeClaim, old: corev1.PersistentVolumeClaim): FieldError[] {
  const errors = validateClaimSpec(claim.spec ?? {}, specPath);
  const rest = cloneJSON(claim.spec ?? {});
  const before = cloneJSON(old.spec ?? {});
  // A claim is bound once, by naming its volume.
  if (!before.volumeName) before.volumeName = rest.volumeName;
  if (before.storageClassName === undefined) before.storageClassName = rest.storageClassName;
  if (claim.status?.phase === "Bound") {
    const size = before.resources?.requests?.["storage"];
    if (size !== undefined && rest.resources?.requests !== undefined) rest.resources.requests["storage"] = size;
    rest.volumeAttributesClassName = before.volumeAttributesClassName;
  }
  if (!semanticEqual(rest, before))
    errors.push(
      forbidden(specPath, "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"),
    );
  const size = (spec: corev1.PersistentVolumeClaim["spec"]): Quantity => Quantity.parse(spec?.resources?.requests?.["storage"] ?? "0");
  const capacity = Quantity.parse(old.status?.capacity?.["storage"] ?? "0");
  if (size(claim.spec).compare(size(old.spec)) < 0 && size(claim.spec).compare(capacity) <= 0) {
    errors.push(forbidden(specPath.child("resources", "requests", "storage"), "field can not be less than status.capacity"));
  }
  return [...errors, ...validateImmutable(claim.spec?.volumeMode, old.spec?.volumeMode, FieldPath.of("volumeMode"))];
}
