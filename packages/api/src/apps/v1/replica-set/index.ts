import {
  age,
  column,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  name,
  scaleSubresource,
  statusSubresource,
  validateImmutable,
  validateNonNegative,
  withStatus,
} from "@lenj/apimachinery";
import type { appsv1 } from "@lenj/proto/k8s";
import { setPodTemplateDefaults } from "../../../core/v1/pod-spec/defaults.js";
import { selectorCell, templateCells } from "../../../table/cells.js";
import { scaleSelector } from "../../../table/scale-selector.js";
import { validateCounters, validateNotGreater, validateSelectorAndTemplate } from "../workload-validation.js";
import { workloadNameWarnings } from "../workload-warnings.js";

const gvk = { group: "apps", version: "v1", kind: "ReplicaSet" } as const;
const specPath = FieldPath.of("spec");

export const replicaSet = defineResource<appsv1.ReplicaSet>({
  gvk,
  plural: "replicasets",
  shortNames: ["rs"],
  categories: ["all"],
  scope: "Namespaced",
  storageVersionHash: "P1RzHs8/mWQ=",
  hasGeneration: true,
  defaults({ spec }) {
    if (spec === undefined) return;
    spec.replicas ??= 1;
    setPodTemplateDefaults(spec.template);
  },
  strategy: withStatus({
    validateCreate: validate,
    validateUpdate: (object, old) => [
      ...validate(object),
      ...validateImmutable(object.spec?.selector, old.spec?.selector, specPath.child("selector")),
    ],
    warningsOnCreate: (object) => workloadNameWarnings(object, object.spec?.template),
  }),
  subresources: [
    statusSubresource(gvk, { validateUpdate: validateStatus }),
    scaleSubresource({
      replicas: ({ spec }) => spec?.replicas ?? 0,
      setReplicas: (object, replicas) => void (object.spec && (object.spec.replicas = replicas)),
      statusReplicas: ({ status }) => status?.replicas ?? 0,
      selector: ({ spec }) => scaleSelector(spec?.selector),
    }),
  ],
  table: defineTable<appsv1.ReplicaSet>([
    name,
    [column("Desired", { type: "integer", description: "Pods wanted." }), ({ spec }) => spec?.replicas ?? 0],
    [column("Current", { type: "integer", description: "Pods that exist." }), ({ status }) => status?.replicas ?? 0],
    [column("Ready", { type: "integer", description: "Pods that are ready." }), ({ status }) => status?.readyReplicas ?? 0],
    age,
    ...templateCells<appsv1.ReplicaSet>(({ spec }) => spec?.template),
    selectorCell<appsv1.ReplicaSet>(({ spec }) => spec?.selector),
  ]),
});

function validate({ spec = {} as appsv1.ReplicaSetSpec }: appsv1.ReplicaSet): FieldError[] {
  return [
    ...validateNonNegative(spec.replicas, specPath.child("replicas")),
    ...validateNonNegative(spec.minReadySeconds, specPath.child("minReadySeconds")),
    // Upstream names the wrong kind here.
    ...validateSelectorAndTemplate(spec, specPath, { kind: "deployment", runner: "ReplicaSet" }),
  ];
}

function validateStatus({ status = { replicas: 0 } }: appsv1.ReplicaSet): FieldError[] {
  const path = FieldPath.of("status");
  return [
    ...validateCounters(status, path, [
      "replicas",
      "fullyLabeledReplicas",
      "readyReplicas",
      "availableReplicas",
      "observedGeneration",
      "terminatingReplicas",
    ]),
    ...validateNotGreater(status, path, {
      fields: ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
      whole: "replicas",
      message: "cannot be greater than status.replicas",
    }),
    ...validateNotGreater(status, path, {
      fields: ["availableReplicas"],
      whole: "readyReplicas",
      message: "cannot be greater than readyReplicas",
    }),
  ];
}
