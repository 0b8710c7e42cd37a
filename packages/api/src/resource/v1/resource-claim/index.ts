import { age, column, defineResource, defineTable, name, statusSubresource, withStatus } from "@lenj/apimachinery";
import type { resourcev1 } from "@lenj/proto/k8s";

const gvk = { group: "resource.k8s.io", version: "v1", kind: "ResourceClaim" } as const;

export const resourceClaim = defineResource<resourcev1.ResourceClaim>({
  gvk,
  plural: "resourceclaims",
  scope: "Namespaced",
  storageVersionHash: "wgAZaHcZxUg=",
  returnsDeletedObject: true,
  strategy: withStatus({}),
  subresources: [statusSubresource(gvk, { keepMetadata: "all" })],
  table: defineTable<resourcev1.ResourceClaim>([
    name,
    [
      column("State"),
      ({ metadata, status }) =>
        [
          metadata?.deletionTimestamp && "deleted",
          status?.allocation === undefined ? "pending" : "allocated",
          (status?.reservedFor ?? []).length > 0 && "reserved",
        ]
          .filter(Boolean)
          .join(","),
    ],
    age,
  ]),
});
