import { age, column, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { resourcev1 } from "@lenj/proto/k8s";

const gvk = { group: "resource.k8s.io", version: "v1", kind: "ResourceSlice" } as const;

export const resourceSlice = defineResource<resourcev1.ResourceSlice>({
  gvk,
  plural: "resourceslices",
  scope: "Cluster",
  storageVersionHash: "KsC072WgaEY=",
  hasGeneration: true,
  returnsDeletedObject: true,
  selectableFields: [
    { label: "spec.nodeName", value: ({ spec }) => spec?.nodeName ?? "" },
    { label: "spec.driver", value: ({ spec }) => spec?.driver ?? "" },
  ],
  table: defineTable<resourcev1.ResourceSlice>([
    name,
    [column("Node"), ({ spec }) => spec?.nodeName ?? ""],
    [column("Driver"), ({ spec }) => spec?.driver ?? ""],
    [column("Pool"), ({ spec }) => spec?.pool?.name ?? ""],
    age,
  ]),
});
