// Environment of containers. Source: kubernetes pkg/apis/core/validation (ValidateEnv, ValidateEnvFrom).
import {
  type FieldError,
  type FieldPath,
  invalid,
  isConfigMapKey,
  isDNS1123Label,
  isDNS1123Subdomain,
  isEnvVarName,
  isQualifiedName,
  notSupported,
  Quantity,
  required,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { checkEach, checkNoBacksteps, checkOptionalRule, checkRequiredRule, checkRule } from "../../../validation/checks.js";

export function validateEnv(variables: readonly corev1.EnvVar[] | undefined, path: FieldPath): FieldError[] {
  return checkEach(variables, path, (variable, at) => [
    ...checkRequiredRule(variable.name, at.child("name"), isEnvVarName),
    ...validateValueFrom(variable, at.child("valueFrom")),
  ]);
}

const envFieldPaths = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];

function validateValueFrom(variable: corev1.EnvVar, path: FieldPath): FieldError[] {
  const source = variable.valueFrom;
  if (source === undefined) return [];
  const errors: FieldError[] = [];
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = source;
  if (fieldRef !== undefined) errors.push(...validateFieldRef(fieldRef, path.child("fieldRef"), envFieldPaths));
  if (resourceFieldRef !== undefined)
    errors.push(...validateResourceFieldRef(resourceFieldRef, path.child("resourceFieldRef"), { needsContainer: false }));
  if (configMapKeyRef !== undefined) errors.push(...validateKeyRef(configMapKeyRef, path.child("configMapKeyRef")));
  if (secretKeyRef !== undefined) errors.push(...validateKeyRef(secretKeyRef, path.child("secretKeyRef")));
  if (fileKeyRef !== undefined) errors.push(...validateFileKeyRef(fileKeyRef, path.child("fileKeyRef")));
  const count = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter((ref) => ref !== undefined).length;
  if (count === 0)
    errors.push(
      invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"),
    );
  else if (variable.value) errors.push(invalid(path, "", "may not be specified when `value` is not empty"));
  else if (count > 1) errors.push(invalid(path, "", "may not have more than one field specified at a time"));
  return errors;
}

/** A field of the pod itself, as environment and downward API volumes take it. */
export function validateFieldRef(ref: corev1.ObjectFieldSelector, path: FieldPath, supported: readonly string[]): FieldError[] {
  if (!ref.apiVersion) return [required(path.child("apiVersion"))];
  if (!ref.fieldPath) return [required(path.child("fieldPath"))];
  if (ref.apiVersion !== "v1")
    return [invalid(path.child("fieldPath"), ref.fieldPath, `error converting fieldPath: unsupported pod version: ${ref.apiVersion}`)];
  const subscripted = /^(.+)\['(.*)'\]$/.exec(ref.fieldPath);
  if (subscripted !== null) {
    const [, field = "", key = ""] = subscripted;
    if (field === "metadata.annotations") return checkRule(key.toLowerCase(), path, isQualifiedName);
    if (field === "metadata.labels") return checkRule(key, path, isQualifiedName);
    return [
      invalid(
        path.child("fieldPath"),
        ref.fieldPath,
        `error converting fieldPath: field label does not support subscript: ${ref.fieldPath}`,
      ),
    ];
  }
  if (supported.includes(ref.fieldPath)) return [];
  // Labels that no conversion knows fail before the list of this place is asked.
  if (!knownFieldPaths.has(ref.fieldPath))
    return [invalid(path.child("fieldPath"), ref.fieldPath, `error converting fieldPath: field label not supported: ${ref.fieldPath}`)];
  return [notSupported(path.child("fieldPath"), ref.fieldPath, supported)];
}

const knownFieldPaths = new Set([
  ...envFieldPaths,
  "metadata.annotations",
  "metadata.labels",
  "spec.restartPolicy",
  "spec.schedulerName",
  "status.phase",
]);

const resourceFields = [
  "limits.cpu",
  "limits.ephemeral-storage",
  "limits.memory",
  "requests.cpu",
  "requests.ephemeral-storage",
  "requests.memory",
];

export function validateResourceFieldRef(
  ref: corev1.ResourceFieldSelector,
  path: FieldPath,
  options: { needsContainer: boolean },
): FieldError[] {
  const errors: FieldError[] = [];
  if (options.needsContainer && !ref.containerName) errors.push(required(path.child("containerName")));
  else if (!ref.resource) errors.push(required(path.child("resource")));
  else if (!resourceFields.includes(ref.resource) && !/^(limits|requests)\.hugepages-/.test(ref.resource))
    errors.push(notSupported(path.child("resource"), ref.resource, resourceFields));
  return [...errors, ...validateDivisor(ref, path.child("divisor"))];
}

const byteDivisors = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

function validateDivisor({ resource, divisor }: corev1.ResourceFieldSelector, path: FieldPath): FieldError[] {
  if (divisor === undefined || Quantity.parse(divisor).isZero()) return [];
  if (/^(limits|requests)\.cpu$/.test(resource)) {
    return divisor === "1" || divisor === "1m"
      ? []
      : [invalid(path, resource, "only divisor's values 1m and 1 are supported with the cpu resource")];
  }
  if (byteDivisors.includes(divisor)) return [];
  const what = resource.endsWith(".memory") ? "memory" : resource.endsWith(".ephemeral-storage") ? "local ephemeral storage" : "hugepages";
  return [
    invalid(
      path,
      resource,
      `only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the ${what} resource`,
    ),
  ];
}

function validateKeyRef(ref: corev1.ConfigMapKeySelector | corev1.SecretKeySelector, path: FieldPath): FieldError[] {
  return [
    ...checkRule(ref.name ?? "", path.child("name"), isDNS1123Subdomain),
    ...checkRequiredRule(ref.key, path.child("key"), isConfigMapKey),
  ];
}

function validateFileKeyRef(ref: corev1.FileKeySelector, path: FieldPath): FieldError[] {
  return [
    ...checkRequiredRule(ref.key, path.child("key"), isEnvVarName),
    ...checkRequiredRule(ref.volumeName, path.child("volumeName"), isDNS1123Label),
    ...(ref.path ? checkNoBacksteps(ref.path, path.child("path")) : [required(path.child("path"))]),
  ];
}

export function validateEnvFrom(sources: readonly corev1.EnvFromSource[] | undefined, path: FieldPath): FieldError[] {
  return checkEach(sources, path, (source, at) => {
    const errors = checkOptionalRule(source.prefix, at.child("prefix"), isEnvVarName);
    const named = (["configMapRef", "secretRef"] as const).filter((field) => source[field] !== undefined);
    for (const field of named) errors.push(...checkRequiredRule(source[field]?.name, at.child(field, "name"), isDNS1123Subdomain));
    // Upstream reports these two on the list.
    if (named.length === 0) errors.push(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"));
    if (named.length > 1) errors.push(invalid(path, "", "may not have more than one field specified at a time"));
    return errors;
  });
}
