import {
  type FieldError,
  FieldPath,
  forbidden,
  invalid,
  notSupported,
  required,
  validateImmutable,
  validateNonNegative,
  validateNotOver100Percent,
  validatePositiveIntOrPercent,
} from "@lenj/apimachinery";
import type { appsv1 } from "@lenj/proto/k8s";
import {
  countOrPercent,
  validateCollisionCount,
  validateCounters,
  validateNotGreater,
  validateSelectorAndTemplate,
} from "../workload-validation.js";

const specPath = FieldPath.of("spec");

export function validateDeployment(deployment: appsv1.Deployment): FieldError[] {
  const spec = deployment.spec ?? ({} as appsv1.DeploymentSpec);
  return [
    ...validateNonNegative(spec.replicas, specPath.child("replicas")),
    ...validateSelectorAndTemplate(spec, specPath, { kind: "deployment", runner: "ReplicaSet" }),
    ...validateStrategy(spec.strategy ?? {}, specPath.child("strategy")),
    ...validateNonNegative(spec.minReadySeconds, specPath.child("minReadySeconds")),
    ...validateNonNegative(spec.revisionHistoryLimit, specPath.child("revisionHistoryLimit")),
    ...validateDeadline(spec, specPath),
  ];
}

export function validateDeploymentUpdate(deployment: appsv1.Deployment, old: appsv1.Deployment): FieldError[] {
  return [
    ...validateDeployment(deployment),
    ...validateImmutable(deployment.spec?.selector, old.spec?.selector, specPath.child("selector")),
  ];
}

function validateDeadline(spec: appsv1.DeploymentSpec, path: FieldPath): FieldError[] {
  const { progressDeadlineSeconds, minReadySeconds = 0 } = spec;
  if (progressDeadlineSeconds === undefined) return [];
  const at = path.child("progressDeadlineSeconds");
  const errors = validateNonNegative(progressDeadlineSeconds, at);
  if (progressDeadlineSeconds <= minReadySeconds) errors.push(invalid(at, progressDeadlineSeconds, "must be greater than minReadySeconds"));
  return errors;
}

function validateStrategy(strategy: appsv1.DeploymentStrategy, path: FieldPath): FieldError[] {
  const { type, rollingUpdate } = strategy;
  if (type === "Recreate") {
    return rollingUpdate === undefined
      ? []
      : [forbidden(path.child("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'")];
  }
  if (type !== "RollingUpdate") return [notSupported(path, strategy, ["Recreate", "RollingUpdate"])];
  if (rollingUpdate === undefined) return [required(path.child("rollingUpdate"), "this should be defaulted and never be nil")];
  const at = path.child("rollingUpdate");
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const errors = [
    ...validatePositiveIntOrPercent(maxUnavailable, at.child("maxUnavailable")),
    ...validatePositiveIntOrPercent(maxSurge, at.child("maxSurge")),
  ];
  if (countOrPercent(maxUnavailable) === 0 && countOrPercent(maxSurge) === 0)
    errors.push(invalid(at.child("maxUnavailable"), maxUnavailable, "may not be 0 when `maxSurge` is 0"));
  return [...errors, ...validateNotOver100Percent(maxUnavailable, at.child("maxUnavailable"))];
}

export function validateDeploymentStatus(deployment: appsv1.Deployment, old: appsv1.Deployment): FieldError[] {
  const path = FieldPath.of("status");
  const status = deployment.status ?? {};
  return [
    ...validateCounters(status, path, [
      "observedGeneration",
      "replicas",
      "updatedReplicas",
      "readyReplicas",
      "availableReplicas",
      "unavailableReplicas",
      "terminatingReplicas",
      "collisionCount",
    ]),
    ...validateNotGreater(status, path, {
      fields: ["updatedReplicas", "readyReplicas", "availableReplicas"],
      whole: "replicas",
      message: "cannot be greater than status.replicas",
    }),
    ...validateNotGreater(status, path, {
      fields: ["availableReplicas"],
      whole: "readyReplicas",
      message: "cannot be greater than readyReplicas",
    }),
    ...validateCollisionCount(status.collisionCount, old.status?.collisionCount, path),
  ];
}
