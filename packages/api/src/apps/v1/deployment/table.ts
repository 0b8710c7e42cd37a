import { age, column, defineTable, name } from "@lenj/apimachinery";
import type { appsv1 } from "@lenj/proto/k8s";
import { selectorCell, templateCells } from "../../../table/cells.js";

export const deploymentTable = defineTable<appsv1.Deployment>([
  name,
  [
    column("Ready", { description: "Ready pods and wanted pods." }),
    ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
  ],
  [column("Up-to-date", { description: "Pods of the current template." }), ({ status }) => status?.updatedReplicas ?? 0],
  [column("Available", { description: "Pods that have been ready for minReadySeconds." }), ({ status }) => status?.availableReplicas ?? 0],
  age,
  ...templateCells<appsv1.Deployment>(({ spec }) => spec?.template),
  selectorCell<appsv1.Deployment>(({ spec }) => spec?.selector),
]);
