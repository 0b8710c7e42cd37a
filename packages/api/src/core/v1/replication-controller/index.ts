import {
  age,
  column,
  compileLabelMap,
  coreUnknownFieldLabel,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  formatLabels,
  invalid,
  name,
  notSupported,
  required,
  scaleSubresource,
  statusSubresource,
  validateNonNegative,
  withStatus,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { templateCells } from "../../../table/cells.js";
import { setPodTemplateDefaults } from "../pod-spec/defaults.js";
import { validatePodTemplate } from "../pod-spec/validation.js";
import { podTemplateWarnings } from "../pod-spec/warnings.js";

const gvk = { group: "", version: "v1", kind: "ReplicationController" } as const;
const specPath = FieldPath.of("spec");

export const replicationController = defineResource<corev1.ReplicationController>({
  gvk,
  plural: "replicationcontrollers",
  shortNames: ["rc"],
  categories: ["all"],
  scope: "Namespaced",
  storage: { prefix: "controllers" },
  storageVersionHash: "Jond2If31h0=",
  hasGeneration: true,
  defaults: setDefaults,
  strategy: withStatus({
    validateCreate: validate,
    validateUpdate: validate,
    warningsOnCreate: ({ spec }) => podTemplateWarnings(spec?.template, specPath.child("template")),
  }),
  subresources: [
    scaleSubresource({
      replicas: ({ spec }) => spec?.replicas ?? 0,
      setReplicas: (object, replicas) => void (object.spec && (object.spec.replicas = replicas)),
      statusReplicas: ({ status }) => status?.replicas ?? 0,
      selector: ({ spec }) => compileLabelMap(spec?.selector).toString(),
    }),
    statusSubresource(gvk),
  ],
  selectableFields: [{ label: "status.replicas", value: ({ status }) => String(status?.replicas ?? 0) }],
  unknownFieldLabel: coreUnknownFieldLabel,
  defaultDeletionPolicy: "Orphan",
  table: defineTable<corev1.ReplicationController>([
    name,
    [column("Desired", { type: "integer" }), ({ spec }) => spec?.replicas ?? 0],
    [column("Current", { type: "integer" }), ({ status }) => status?.replicas ?? 0],
    [column("Ready", { type: "integer" }), ({ status }) => status?.readyReplicas ?? 0],
    age,
    ...templateCells<corev1.ReplicationController>(({ spec }) => spec?.template),
    [column("Selector", { wide: true }), ({ spec }) => formatLabels(spec?.selector)],
  ]),
});

function setDefaults(object: corev1.ReplicationController): void {
  const { spec } = object;
  if (spec === undefined) return;
  const labels = spec.template?.metadata?.labels;
  if (labels !== undefined) {
    if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
    if (Object.keys(object.metadata?.labels ?? {}).length === 0) (object.metadata ??= {}).labels = { ...labels };
  }
  spec.replicas ??= 1;
  setPodTemplateDefaults(spec.template);
}

function validate({ spec = {} }: corev1.ReplicationController): FieldError[] {
  const errors = [
    ...validateNonNegative(spec.minReadySeconds, specPath.child("minReadySeconds")),
    ...validateNonNegative(spec.replicas, specPath.child("replicas")),
  ];
  if (Object.keys(spec.selector ?? {}).length === 0) errors.push(required(specPath.child("selector")));
  const at = specPath.child("template");
  const { template } = spec;
  if (template === undefined) return [...errors, required(at)];
  const labels = template.metadata?.labels;
  if (!compileLabelMap(spec.selector).matches(labels))
    errors.push(invalid(at.child("metadata", "labels"), labels, "`selector` does not match template `labels`"));
  errors.push(...validatePodTemplate(template, at));
  const policy = template.spec?.restartPolicy;
  if (policy !== "Always") errors.push(notSupported(at.child("spec", "restartPolicy"), policy ?? "", ["Always"]));
  return errors;
}
