import { age, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { resourcev1 } from "@lenj/proto/k8s";

const gvk = { group: "resource.k8s.io", version: "v1", kind: "ResourceClaimTemplate" } as const;

export const resourceClaimTemplate = defineResource<resourcev1.ResourceClaimTemplate>({
  gvk,
  plural: "resourceclaimtemplates",
  scope: "Namespaced",
  storageVersionHash: "TuzjC49aUfM=",
  returnsDeletedObject: true,
  table: defineTable<resourcev1.ResourceClaimTemplate>([name, age]),
});
