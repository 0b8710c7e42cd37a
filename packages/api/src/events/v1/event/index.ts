import { defineResource, type TableCell } from "@lenj/apimachinery";
import type { corev1, eventsv1 } from "@lenj/proto/k8s";
import { event as coreEvent } from "../../../core/v1/event/index.js";
import { eventConversion } from "./conversion.js";

const regarding = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"] as const;

export const event = defineResource<eventsv1.Event>({
  gvk: { group: "events.k8s.io", version: "v1", kind: "Event" },
  plural: "events",
  shortNames: ["ev"],
  scope: "Namespaced",
  storage: { gvk: coreEvent.gvk, ttlSeconds: 3600, conversion: eventConversion },
  storageVersionHash: "r2yiGXH7wu8=",
  allowCreateOnUpdate: true,
  defaultDeletionPolicy: "Unsupported",
  selectableFields: [
    ...regarding.map((field) => ({ label: `regarding.${field}`, value: (object: eventsv1.Event) => object.regarding?.[field] ?? "" })),
    { label: "reason", value: ({ reason }) => reason ?? "" },
    { label: "reportingController", value: ({ reportingController }) => reportingController ?? "" },
    { label: "type", value: ({ type }) => type ?? "" },
  ],
  table: {
    columns: coreEvent.table.columns,
    row: (object, nowMs): TableCell[] => coreEvent.table.row(eventConversion.toStorage(object) as corev1.Event, nowMs),
  },
});
