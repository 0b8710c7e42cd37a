import { column, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { storagev1 } from "@lenj/proto/k8s";

const gvk = { group: "storage.k8s.io", version: "v1", kind: "CSIStorageCapacity" } as const;

export const csiStorageCapacity = defineResource<storagev1.CSIStorageCapacity>({
  gvk,
  plural: "csistoragecapacities",
  scope: "Namespaced",
  storageVersionHash: "xeVl+2Ly1kE=",
  allowUnconditionalUpdate: false,
  table: defineTable<storagev1.CSIStorageCapacity>([
    name,
    [column("StorageClassName"), ({ storageClassName }) => storageClassName ?? ""],
    [column("Capacity"), ({ capacity }) => capacity ?? "<unset>"],
  ]),
});
