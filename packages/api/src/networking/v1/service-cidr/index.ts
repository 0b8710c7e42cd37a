import { age, column, defineResource, defineTable, name, statusSubresource, withStatus } from "@lenj/apimachinery";
import type { networkingv1 } from "@lenj/proto/k8s";

const gvk = { group: "networking.k8s.io", version: "v1", kind: "ServiceCIDR" } as const;

export const serviceCIDR = defineResource<networkingv1.ServiceCIDR>({
  gvk,
  plural: "servicecidrs",
  scope: "Cluster",
  storageVersionHash: "gNLvruQhW2g=",
  strategy: withStatus({}),
  subresources: [statusSubresource(gvk)],
  table: defineTable<networkingv1.ServiceCIDR>([name, [column("CIDRs"), ({ spec }) => (spec?.cidrs ?? []).join(",")], age]),
});
