// Source: kubernetes pkg/apis/apps/validation (StatefulSet).
import {
  cloneJSON,
  type FieldError,
  FieldPath,
  forbidden,
  invalid,
  isDNS1123Label,
  notSupported,
  required,
  semanticEqual,
  validateNonNegative,
  validateNotOver100Percent,
  validatePositiveIntOrPercent,
} from "@lenj/apimachinery";
import type { appsv1, corev1 } from "@lenj/proto/k8s";
import { validateClaimSpec } from "../../../core/v1/persistent-volume-claim/validation.js";
import {
  countOrPercent,
  validateCollisionCount,
  validateCounters,
  validateNotGreater,
  validateSelectorAndTemplate,
} from "../workload-validation.js";

const specPath = FieldPath.of("spec");
export const templatePath = specPath.child("template");

export function validateStatefulSet({ spec = {} as appsv1.StatefulSetSpec }: appsv1.StatefulSet): FieldError[] {
  const claims = (spec.volumeClaimTemplates ?? []).flatMap((claim, position) =>
    validateClaimSpec(claim.spec ?? {}, specPath.child("volumeClaimTemplates").index(position).child("spec")),
  );
  const serviceName = spec.serviceName
    ? isDNS1123Label(spec.serviceName).map((message) => invalid(specPath.child("serviceName"), spec.serviceName, message))
    : [];
  return [...validateSpec(spec), ...claims, ...serviceName];
}

function validateSpec(spec: appsv1.StatefulSetSpec): FieldError[] {
  const errors: FieldError[] = [];
  const policy = spec.podManagementPolicy;
  if (!policy) errors.push(required(specPath.child("podManagementPolicy")));
  else if (policy !== "OrderedReady" && policy !== "Parallel")
    errors.push(invalid(specPath.child("podManagementPolicy"), policy, "must be 'OrderedReady' or 'Parallel'"));
  errors.push(...validateUpdateStrategy(spec.updateStrategy ?? {}, specPath.child("updateStrategy")));
  for (const when of ["whenDeleted", "whenScaled"] as const) {
    const value = spec.persistentVolumeClaimRetentionPolicy?.[when];
    if (value !== undefined && value !== "Retain" && value !== "Delete")
      errors.push(notSupported(specPath.child("persistentVolumeClaimRetentionPolicy", when), value, ["Retain", "Delete"]));
  }
  errors.push(
    ...validateNonNegative(spec.replicas, specPath.child("replicas")),
    ...validateNonNegative(spec.minReadySeconds, specPath.child("minReadySeconds")),
  );
  errors.push(...validateNonNegative(spec.ordinals?.start, specPath.child("ordinals.start")));
  return [
    ...errors,
    ...validateSelectorAndTemplate({ selector: spec.selector, template: templateAsRun(spec) }, specPath, {
      kind: "statefulset",
      runner: "StatefulSet",
    }),
  ];
}

/** The template as the controller completes it: identity fields are its own, claims become volumes. */
function templateAsRun(spec: appsv1.StatefulSetSpec): corev1.PodTemplateSpec {
  const template = cloneJSON(spec.template ?? {});
  if (template.spec === undefined) return template;
  delete template.spec.subdomain;
  delete template.spec.hostname;
  const names = new Set((spec.volumeClaimTemplates ?? []).map((claim) => claim.metadata?.name ?? ""));
  if (names.size > 0) {
    const claimed = [...names].map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
    template.spec.volumes = [...claimed, ...(template.spec.volumes ?? []).filter((volume) => !names.has(volume.name))];
  }
  return template;
}

function validateUpdateStrategy(strategy: appsv1.StatefulSetUpdateStrategy, path: FieldPath): FieldError[] {
  const { type, rollingUpdate } = strategy;
  if (!type) return [required(path)];
  if (type === "OnDelete")
    return rollingUpdate === undefined
      ? []
      : [invalid(path.child("rollingUpdate"), rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")];
  if (type !== "RollingUpdate") return [invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")];
  if (rollingUpdate === undefined) return [];
  const at = path.child("rollingUpdate");
  const errors = validateNonNegative(rollingUpdate.partition, at.child("partition"));
  const { maxUnavailable } = rollingUpdate;
  if (maxUnavailable === undefined) return errors;
  errors.push(...validatePositiveIntOrPercent(maxUnavailable, at.child("maxUnavailable")));
  if (countOrPercent(maxUnavailable) === 0) errors.push(invalid(at.child("maxUnavailable"), maxUnavailable, "cannot be 0"));
  return [...errors, ...validateNotOver100Percent(maxUnavailable, at.child("maxUnavailable"))];
}

const mutableFields = [
  "replicas",
  "template",
  "updateStrategy",
  "minReadySeconds",
  "ordinals",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
] as const;

export function validateStatefulSetUpdate(object: appsv1.StatefulSet, old: appsv1.StatefulSet): FieldError[] {
  const errors = validateSpec(object.spec ?? ({} as appsv1.StatefulSetSpec));
  const rest = (spec: object | undefined): object =>
    Object.fromEntries(Object.entries(spec ?? {}).filter(([field]) => !(mutableFields as readonly string[]).includes(field)));
  if (!semanticEqual(rest(object.spec), rest(old.spec))) {
    errors.push(
      forbidden(
        specPath,
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
      ),
    );
  }
  return errors;
}

export function validateStatefulSetStatus(object: appsv1.StatefulSet, old: appsv1.StatefulSet): FieldError[] {
  const path = FieldPath.of("status");
  const status = object.status ?? { replicas: 0 };
  return [
    ...validateCounters(status, path, [
      "replicas",
      "readyReplicas",
      "currentReplicas",
      "updatedReplicas",
      "availableReplicas",
      "observedGeneration",
      "collisionCount",
    ]),
    ...validateNotGreater(status, path, {
      fields: ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
      whole: "replicas",
      message: "cannot be greater than status.replicas",
    }),
    ...validateNotGreater(status, path, {
      fields: ["availableReplicas"],
      whole: "readyReplicas",
      message: "cannot be greater than status.readyReplicas",
    }),
    ...validateCollisionCount(status.collisionCount, old.status?.collisionCount, path),
  ];
}
