// Source: kubernetes pkg/apis/core/validation (ConfigMap).
import { type FieldError, FieldPath, forbidden, invalid, isConfigMapKey, semanticEqual, tooLong, utf8Length } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

/** Of a ConfigMap's or Secret's values together. */
export const payloadBytesMax = 1024 * 1024;

export function validateConfigMap({ data = {}, binaryData = {} }: corev1.ConfigMap): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(data)) {
    for (const message of isConfigMapKey(key)) errors.push(invalid(FieldPath.of("data").key(key), key, message));
    if (Object.hasOwn(binaryData, key)) errors.push(invalid(FieldPath.of("data").key(key), key, "duplicate of key present in binaryData"));
    bytes += utf8Length(value);
  }
  for (const [key, value] of Object.entries(binaryData)) {
    for (const message of isConfigMapKey(key)) errors.push(invalid(FieldPath.of("binaryData").key(key), key, message));
    bytes += decodedLength(value);
  }
  if (bytes > payloadBytesMax) errors.push(tooLong("", payloadBytesMax));
  return errors;
}

/** Bytes behind a base64 text. */
export function decodedLength(base64: string): number {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return Math.floor((base64.length * 3) / 4) - padding;
}

const immutableOnceSet = "field is immutable when `immutable` is set";

export function validateConfigMapUpdate(object: corev1.ConfigMap, old: corev1.ConfigMap): FieldError[] {
  return [...validateImmutableData(object, old, ["data", "binaryData"]), ...validateConfigMap(object)];
}

/** ConfigMaps and Secrets that say `immutable: true` keep their data and stay so. */
export function validateImmutableData<T extends { immutable?: boolean | undefined }>(
  object: T,
  old: T,
  fields: readonly (keyof T & string)[],
): FieldError[] {
  if (old.immutable !== true) return [];
  const errors: FieldError[] = [];
  if (object.immutable !== true) errors.push(forbidden("immutable", immutableOnceSet));
  for (const field of fields) if (!semanticEqual(object[field] ?? {}, old[field] ?? {})) errors.push(forbidden(field, immutableOnceSet));
  return errors;
}
