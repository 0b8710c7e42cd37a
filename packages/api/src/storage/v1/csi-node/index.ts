import { age, column, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { storagev1 } from "@lenj/proto/k8s";

const gvk = { group: "storage.k8s.io", version: "v1", kind: "CSINode" } as const;

export const csiNode = defineResource<storagev1.CSINode>({
  gvk,
  plural: "csinodes",
  scope: "Cluster",
  storageVersionHash: "Pe62DkZtjuo=",
  allowUnconditionalUpdate: false,
  returnsDeletedObject: true,
  table: defineTable<storagev1.CSINode>([name, [column("Drivers", { type: "integer" }), ({ spec }) => (spec?.drivers ?? []).length], age]),
});
