import { age, column, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { networkingv1 } from "@lenj/proto/k8s";

const gvk = { group: "networking.k8s.io", version: "v1", kind: "IPAddress" } as const;

export const ipAddress = defineResource<networkingv1.IPAddress>({
  gvk,
  plural: "ipaddresses",
  scope: "Cluster",
  storageVersionHash: "3f/plJFChNE=",
  shortNames: ["ip"],
  table: defineTable<networkingv1.IPAddress>([
    name,
    [
      column("ParentRef"),
      ({ spec }) =>
        spec?.parentRef === undefined
          ? "<none>"
          : [
              `${spec.parentRef.resource ?? ""}${spec.parentRef.group ? `.${spec.parentRef.group}` : ""}`.toLowerCase(),
              spec.parentRef.namespace,
              spec.parentRef.name,
            ]
              .filter(Boolean)
              .join("/"),
    ],
    age,
  ]),
});
