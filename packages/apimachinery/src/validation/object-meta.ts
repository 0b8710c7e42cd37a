// Checks that hold for the metadata of every kind. Source: k8s.io/apimachinery pkg/api/validation/objectmeta.go.
import { type FieldError, forbidden, invalid, required, tooLong } from "../field/field-error.js";
import { FieldPath } from "../field/path.js";
import { semanticEqual } from "../meta/equality.js";
import { type ManagedFieldsEntry, type ObjectMeta, type OwnerReference, parseAPIVersion } from "../meta/object.js";
import { validateLabels } from "./labels.js";
import { isDNS1123Label, isQualifiedName, type NameRule } from "./names.js";

export const immutableMessage = "field is immutable";
const annotationsBytesMax = 256 * 1024;

/** Both values must mean the same; the error shows the new one. */
export function validateImmutable(value: unknown, old: unknown, path: FieldPath): FieldError[] {
  return semanticEqual(value, old) ? [] : [invalid(path, value, immutableMessage)];
}

export function validateNonNegative(value: number | undefined, path: FieldPath): FieldError[] {
  return value !== undefined && value < 0 ? [invalid(path, value, "must be greater than or equal to 0")] : [];
}

export function validateAnnotations(annotations: Readonly<Record<string, string>> | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    for (const message of isQualifiedName(key.toLowerCase())) errors.push(invalid(path, key, message));
    bytes += utf8Length(key) + utf8Length(value);
  }
  if (bytes > annotationsBytesMax) errors.push(tooLong(path, annotationsBytesMax));
  return errors;
}

/** Bytes of a string in UTF-8, without encoding it. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let position = 0; position < text.length; position += 1) {
    const unit = text.charCodeAt(position);
    if (unit >= 0x80) bytes += unit >= 0x800 && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

export function validateOwnerReferences(references: readonly OwnerReference[] | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  let controller = "";
  for (const reference of references ?? []) {
    const { version } = parseAPIVersion(reference.apiVersion ?? "");
    if (version === "") errors.push(invalid(path.child("apiVersion"), reference.apiVersion ?? "", "version must not be empty"));
    if (!reference.kind) errors.push(invalid(path.child("kind"), "", "must not be empty"));
    if (!reference.name) errors.push(invalid(path.child("name"), "", "must not be empty"));
    if (!reference.uid) errors.push(invalid(path.child("uid"), "", "must not be empty"));
    if (reference.apiVersion === "v1" && reference.kind === "Event")
      errors.push(invalid(path, reference, "/v1, Kind=Event is disallowed from being an owner"));
    if (reference.controller !== true) continue;
    const name = `${reference.kind}/${reference.name}`;
    if (controller === "") controller = name;
    else
      errors.push(
        invalid(
          path,
          references,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`,
        ),
      );
  }
  return errors;
}

export function validateFinalizers(finalizers: readonly string[] | undefined, path: FieldPath): FieldError[] {
  const list = finalizers ?? [];
  const errors = list.flatMap((finalizer) => isQualifiedName(finalizer).map((message) => invalid(path, finalizer, message)));
  if (list.includes("orphan") && list.includes("foregroundDeletion")) {
    errors.push(invalid(path, list, "finalizer orphan and foregroundDeletion cannot be both set"));
  }
  return errors;
}

function validateManagedFields(entries: readonly ManagedFieldsEntry[] | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const [position, entry] of (entries ?? []).entries()) {
    const at = path.index(position);
    if (entry.operation !== "Apply" && entry.operation !== "Update")
      errors.push(invalid(at.child("operation"), entry.operation ?? "", "must be `Apply` or `Update`"));
    if (entry.fieldsType && entry.fieldsType !== "FieldsV1")
      errors.push(invalid(at.child("fieldsType"), entry.fieldsType, "must be `FieldsV1`"));
    errors.push(...validateFieldManager(entry.manager ?? "", at.child("manager")));
    if ((entry.subresource ?? "").length > 256) errors.push(tooLong(at.child("subresource"), 256));
  }
  return errors;
}

/** At most 128 bytes, all printable. */
export function validateFieldManager(manager: string, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (utf8Length(manager) > 128) errors.push(tooLong(path, 128));
  let position = 0;
  for (const character of manager) {
    if (!isPrintable(character)) {
      const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
      errors.push(invalid(path, manager, `invalid character U+${code} (at position ${position})`));
    }
    position += utf8Length(character);
  }
  return errors;
}

function isPrintable(character: string): boolean {
  return character === " " || !/[\p{C}\p{Z}]/u.test(character);
}

interface MetaRules {
  readonly namespaced: boolean;
  readonly validateName: NameRule;
}

/** All errors of new metadata. Names have been generated and the namespace filled in before. */
export function validateObjectMeta(meta: ObjectMeta, rules: MetaRules, path: FieldPath = FieldPath.of("metadata")): FieldError[] {
  const errors: FieldError[] = [];
  if (meta.generateName) {
    for (const message of rules.validateName(meta.generateName, true))
      errors.push(invalid(path.child("generateName"), meta.generateName, message));
  }
  if (!meta.name) errors.push(required(path.child("name"), "name or generateName is required"));
  else for (const message of rules.validateName(meta.name, false)) errors.push(invalid(path.child("name"), meta.name, message));
  if (rules.namespaced) {
    if (!meta.namespace) errors.push(required(path.child("namespace")));
    else for (const message of isDNS1123Label(meta.namespace)) errors.push(invalid(path.child("namespace"), meta.namespace, message));
  } else if (meta.namespace) {
    errors.push(forbidden(path.child("namespace"), "not allowed on this type"));
  }
  errors.push(...validateNonNegative(meta.generation, path.child("generation")));
  errors.push(...validateSharedMeta(meta, path), ...validateFinalizers(meta.finalizers, path.child("finalizers")));
  return errors;
}

function validateSharedMeta(meta: ObjectMeta, path: FieldPath): FieldError[] {
  return [
    ...validateLabels(meta.labels, path.child("labels")),
    ...validateAnnotations(meta.annotations, path.child("annotations")),
    ...validateOwnerReferences(meta.ownerReferences, path.child("ownerReferences")),
    ...validateManagedFields(meta.managedFields, path.child("managedFields")),
  ];
}

/** What an update may not do to metadata, whatever the kind. */
export function validateObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta, path: FieldPath = FieldPath.of("metadata")): FieldError[] {
  const errors: FieldError[] = [];
  if (old.deletionTimestamp) {
    const added = [...new Set(meta.finalizers ?? [])].filter((finalizer) => !(old.finalizers ?? []).includes(finalizer)).sort();
    if (added.length > 0) {
      const listed = `[]string{${added.map((finalizer) => JSON.stringify(finalizer)).join(", ")}}`;
      errors.push(
        forbidden(
          path.child("finalizers"),
          `no new finalizers can be added if the object is being deleted, found new finalizers ${listed}`,
        ),
      );
    }
  }
  if (!meta.resourceVersion)
    errors.push(invalid(path.child("resourceVersion"), meta.resourceVersion ?? "", "must be specified for an update"));
  if ((meta.generation ?? 0) < (old.generation ?? 0))
    errors.push(invalid(path.child("generation"), meta.generation ?? 0, "must not be decremented"));
  for (const field of ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] as const) {
    errors.push(...validateImmutable(meta[field], old[field], path.child(field)));
  }
  return errors;
}
