import {
  age,
  column,
  defineResource,
  defineTable,
  name,
  nameIsDNSLabel,
  scaleSubresource,
  statusSubresource,
  withStatus,
} from "@lenj/apimachinery";
import type { appsv1 } from "@lenj/proto/k8s";
import { podTemplateWarnings } from "../../../core/v1/pod-spec/warnings.js";
import { templateCells } from "../../../table/cells.js";
import { scaleSelector } from "../../../table/scale-selector.js";
import { setStatefulSetDefaults } from "./defaults.js";
import { templatePath, validateStatefulSet, validateStatefulSetStatus, validateStatefulSetUpdate } from "./validation.js";

const gvk = { group: "apps", version: "v1", kind: "StatefulSet" } as const;

export const statefulSet = defineResource<appsv1.StatefulSet>({
  gvk,
  plural: "statefulsets",
  shortNames: ["sts"],
  categories: ["all"],
  scope: "Namespaced",
  storageVersionHash: "H+vl74LkKdo=",
  hasGeneration: true,
  validateName: nameIsDNSLabel,
  defaults: setStatefulSetDefaults,
  strategy: withStatus({
    validateCreate: validateStatefulSet,
    validateUpdate: validateStatefulSetUpdate,
    warningsOnCreate: ({ spec }) => podTemplateWarnings(spec?.template, templatePath),
  }),
  subresources: [
    statusSubresource(gvk, { validateUpdate: validateStatefulSetStatus }),
    scaleSubresource({
      replicas: ({ spec }) => spec?.replicas ?? 0,
      setReplicas: (object, replicas) => void (object.spec && (object.spec.replicas = replicas)),
      statusReplicas: ({ status }) => status?.replicas ?? 0,
      selector: ({ spec }) => scaleSelector(spec?.selector),
    }),
  ],
  table: defineTable<appsv1.StatefulSet>([
    name,
    [
      column("Ready", { description: "Ready pods and wanted pods." }),
      ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    ],
    age,
    ...templateCells<appsv1.StatefulSet>(({ spec }) => spec?.template),
  ]),
});
