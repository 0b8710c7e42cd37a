import {
  age,
  column,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  formatLabels,
  invalid,
  name,
  notSupported,
  required,
  statusSubresource,
  validateImmutable,
  validateNonNegative,
  validateNotOver100Percent,
  validatePositiveIntOrPercent,
  withStatus,
} from "@lenj/apimachinery";
import type { appsv1 } from "@lenj/proto/k8s";
import { setPodTemplateDefaults } from "../../../core/v1/pod-spec/defaults.js";
import { selectorCell, templateCells } from "../../../table/cells.js";
import { countOrPercent, validateCollisionCount, validateCounters, validateSelectorAndTemplate } from "../workload-validation.js";
import { workloadNameWarnings } from "../workload-warnings.js";

const gvk = { group: "apps", version: "v1", kind: "DaemonSet" } as const;
const specPath = FieldPath.of("spec");

export const daemonSet = defineResource<appsv1.DaemonSet>({
  gvk,
  plural: "daemonsets",
  shortNames: ["ds"],
  categories: ["all"],
  scope: "Namespaced",
  storageVersionHash: "dd7pWHUlMKQ=",
  hasGeneration: true,
  defaults: setDefaults,
  strategy: withStatus({
    validateCreate: validate,
    validateUpdate: (object, old) => [
      ...validateImmutable(object.spec?.selector, old.spec?.selector, specPath.child("selector")),
      ...validate(object),
    ],
    warningsOnCreate: (object) => workloadNameWarnings(object, object.spec?.template),
  }),
  subresources: [statusSubresource(gvk, { validateUpdate: validateStatus })],
  table: defineTable<appsv1.DaemonSet>([
    name,
    [
      column("Desired", { type: "integer", description: "Nodes that should run a pod." }),
      ({ status }) => status?.desiredNumberScheduled ?? 0,
    ],
    [
      column("Current", { type: "integer", description: "Nodes that run a pod and should." }),
      ({ status }) => status?.currentNumberScheduled ?? 0,
    ],
    [column("Ready", { type: "integer", description: "Nodes whose pod is ready." }), ({ status }) => status?.numberReady ?? 0],
    [
      column("Up-to-date", { type: "integer", description: "Nodes with a pod of the current template." }),
      ({ status }) => status?.updatedNumberScheduled ?? 0,
    ],
    [
      column("Available", { type: "integer", description: "Nodes whose pod has been ready for minReadySeconds." }),
      ({ status }) => status?.numberAvailable ?? 0,
    ],
    [column("Node Selector", { description: "Labels a node must have." }), ({ spec }) => formatLabels(spec?.template?.spec?.nodeSelector)],
    age,
    ...templateCells<appsv1.DaemonSet>(({ spec }) => spec?.template),
    selectorCell<appsv1.DaemonSet>(({ spec }) => spec?.selector),
  ]),
});

function setDefaults({ spec }: appsv1.DaemonSet): void {
  if (spec === undefined) return;
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= "RollingUpdate";
  if (spec.updateStrategy.type === "RollingUpdate") {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
    spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
  }
  spec.revisionHistoryLimit ??= 10;
  setPodTemplateDefaults(spec.template);
}

function validate({ spec = {} as appsv1.DaemonSetSpec }: appsv1.DaemonSet): FieldError[] {
  return [
    ...validateSelectorAndTemplate(spec, specPath, { kind: "daemonset", runner: "DaemonSet" }),
    ...validateNonNegative(spec.minReadySeconds, specPath.child("minReadySeconds")),
    ...validateUpdateStrategy(spec.updateStrategy ?? {}, specPath.child("updateStrategy")),
    ...validateNonNegative(spec.revisionHistoryLimit, specPath.child("revisionHistoryLimit")),
  ];
}

function validateUpdateStrategy(strategy: appsv1.DaemonSetUpdateStrategy, path: FieldPath): FieldError[] {
  if (strategy.type === "OnDelete") return [];
  if (strategy.type !== "RollingUpdate") return [notSupported(path, strategy, ["RollingUpdate", "OnDelete"])];
  const at = path.child("rollingUpdate");
  if (strategy.rollingUpdate === undefined) return [required(at)];
  const { maxUnavailable = 0, maxSurge = 0 } = strategy.rollingUpdate;
  const errors = [
    ...validatePositiveIntOrPercent(maxUnavailable, at.child("maxUnavailable")),
    ...validatePositiveIntOrPercent(maxSurge, at.child("maxSurge")),
    ...validateNotOver100Percent(maxUnavailable, at.child("maxUnavailable")),
    ...validateNotOver100Percent(maxSurge, at.child("maxSurge")),
  ];
  const mayBeMissing = countOrPercent(maxUnavailable) !== 0;
  const mayExceed = countOrPercent(maxSurge) !== 0;
  if (mayBeMissing && mayExceed) errors.push(invalid(at.child("maxSurge"), maxSurge, "may not be set when maxUnavailable is non-zero"));
  if (!mayBeMissing && !mayExceed) errors.push(required(at.child("maxUnavailable"), "cannot be 0 when maxSurge is 0"));
  return errors;
}

function validateStatus({ status }: appsv1.DaemonSet, old: appsv1.DaemonSet): FieldError[] {
  const path = FieldPath.of("status");
  const counters = [
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
  ];
  return [
    ...validateCounters(status ?? {}, path, counters),
    ...validateCollisionCount(status?.collisionCount, old.status?.collisionCount, path),
  ];
}
