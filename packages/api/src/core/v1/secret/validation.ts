// Source: kubernetes pkg/apis/core/validation (Secret).
import { type FieldError, FieldPath, invalid, isConfigMapKey, required, tooLong, validateImmutable } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { decodedLength, payloadBytesMax, validateImmutableData } from "../config-map/validation.js";

const dataPath = FieldPath.of("data");

export function validateSecret(secret: corev1.Secret): FieldError[] {
  const data = secret.data ?? {};
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(data)) {
    for (const message of isConfigMapKey(key)) errors.push(invalid(dataPath.key(key), key, message));
    bytes += decodedLength(value);
  }
  if (bytes > payloadBytesMax) errors.push(tooLong("data", payloadBytesMax));
  return [...errors, ...validateByType(secret, data)];
}

function validateByType(secret: corev1.Secret, data: Readonly<Record<string, string>>): FieldError[] {
  switch (secret.type) {
    case "kubernetes.io/service-account-token": {
      const annotation = "kubernetes.io/service-account.name";
      return secret.metadata?.annotations?.[annotation] ? [] : [required(FieldPath.of("metadata", "annotations").key(annotation))];
    }
    case "kubernetes.io/dockercfg":
      return requireJSON(data, ".dockercfg");
    case "kubernetes.io/dockerconfigjson":
      return requireJSON(data, ".dockerconfigjson");
    case "kubernetes.io/basic-auth":
      if (Object.hasOwn(data, "username") || Object.hasOwn(data, "password")) return [];
      return [required(dataPath.key("username")), required(dataPath.key("password"))];
    case "kubernetes.io/ssh-auth":
      return data["ssh-privatekey"] ? [] : [required(dataPath.key("ssh-privatekey"))];
    case "kubernetes.io/tls":
      return ["tls.crt", "tls.key"].filter((key) => !Object.hasOwn(data, key)).map((key) => required(dataPath.key(key)));
    default:
      return [];
  }
}

function requireJSON(data: Readonly<Record<string, string>>, key: string): FieldError[] {
  const value = data[key];
  if (value === undefined) return [required(dataPath.key(key))];
  try {
    JSON.parse(atob(value));
    return [];
  } catch (error) {
    return [invalid(dataPath.key(key), "<secret contents redacted>", error instanceof Error ? error.message : "invalid JSON")];
  }
}

export function validateSecretUpdate(object: corev1.Secret, old: corev1.Secret): FieldError[] {
  return [
    ...validateImmutable(object.type, old.type, FieldPath.of("type")),
    ...validateImmutableData(object, old, ["data"]),
    ...validateSecret(object),
  ];
}
