import { age, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { resourcev1 } from "@lenj/proto/k8s";

const gvk = { group: "resource.k8s.io", version: "v1", kind: "DeviceClass" } as const;

export const deviceClass = defineResource<resourcev1.DeviceClass>({
  gvk,
  plural: "deviceclasses",
  scope: "Cluster",
  storageVersionHash: "Yk2PTc1Ybxk=",
  hasGeneration: true,
  returnsDeletedObject: true,
  table: defineTable<resourcev1.DeviceClass>([name, age]),
});
