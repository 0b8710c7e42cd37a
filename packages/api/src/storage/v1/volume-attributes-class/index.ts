import { age, column, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { storagev1 } from "@lenj/proto/k8s";

const gvk = { group: "storage.k8s.io", version: "v1", kind: "VolumeAttributesClass" } as const;

export const volumeAttributesClass = defineResource<storagev1.VolumeAttributesClass>({
  gvk,
  plural: "volumeattributesclasses",
  scope: "Cluster",
  storageVersionHash: "Bl3MtjZ/n/s=",
  shortNames: ["vac"],
  returnsDeletedObject: true,
  table: defineTable<storagev1.VolumeAttributesClass>([name, [column("DriverName"), ({ driverName }) => driverName ?? ""], age]),
});
