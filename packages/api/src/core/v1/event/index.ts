import { column, coreUnknownFieldLabel, defineResource, defineTable, formatAge, nameColumn } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

const involved = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"] as const;

/** Shares its objects with events.k8s.io, which see. */
export const event = defineResource<corev1.Event>({
  gvk: { group: "", version: "v1", kind: "Event" },
  plural: "events",
  shortNames: ["ev"],
  scope: "Namespaced",
  storage: { ttlSeconds: 3600 },
  storageVersionHash: "r2yiGXH7wu8=",
  allowCreateOnUpdate: true,
  defaultDeletionPolicy: "Unsupported",
  selectableFields: [
    ...involved.map((field) => ({
      label: `involvedObject.${field}`,
      value: (object: corev1.Event) => object.involvedObject?.[field] ?? "",
    })),
    { label: "reason", value: ({ reason }) => reason ?? "" },
    { label: "reportingComponent", value: ({ reportingComponent }) => reportingComponent ?? "" },
    { label: "source", value: ({ source, reportingComponent }) => source?.component || reportingComponent || "" },
    { label: "type", value: ({ type }) => type ?? "" },
  ],
  unknownFieldLabel: coreUnknownFieldLabel,
  table: defineTable<corev1.Event>([
    [
      column("Last Seen"),
      (object, nowMs) =>
        formatAge(object.series?.lastObservedTime || object.lastTimestamp || object.firstTimestamp || object.eventTime, nowMs),
    ],
    [column("Type"), ({ type }) => type ?? ""],
    [column("Reason"), ({ reason }) => reason ?? ""],
    [column("Object"), ({ involvedObject }) => `${(involvedObject?.kind ?? "").toLowerCase()}/${involvedObject?.name ?? ""}`],
    [column("Subobject", { wide: true }), ({ involvedObject }) => involvedObject?.fieldPath ?? ""],
    [
      column("Source", { wide: true }),
      ({ source, reportingComponent, reportingInstance }) =>
        [source?.component || reportingComponent, source?.host || reportingInstance].filter(Boolean).join(", "),
    ],
    [column("Message"), ({ message }) => (message ?? "").trim()],
    [column("First Seen", { wide: true }), (object, nowMs) => formatAge(object.firstTimestamp || object.eventTime, nowMs)],
    [column("Count", { wide: true }), ({ series, count }) => String(series?.count ?? (count || 1))],
    [{ ...nameColumn, priority: 1 }, ({ metadata }) => metadata?.name ?? ""],
  ]),
});
