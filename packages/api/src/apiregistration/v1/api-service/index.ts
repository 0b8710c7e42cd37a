import { age, column, defineResource, defineTable, name, statusSubresource, withStatus } from "@lenj/apimachinery";
import type { apiregistrationv1 } from "@lenj/proto/k8s";

const gvk = { group: "apiregistration.k8s.io", version: "v1", kind: "APIService" } as const;

export const apiService = defineResource<apiregistrationv1.APIService>({
  gvk,
  plural: "apiservices",
  scope: "Cluster",
  storageVersionHash: "InPBPD7+PqM=",
  categories: ["api-extensions"],
  allowUnconditionalUpdate: false,
  storage: { prefix: "apiregistration.k8s.io/apiservices" },
  strategy: withStatus({}),
  subresources: [statusSubresource(gvk)],
  table: defineTable<apiregistrationv1.APIService>([
    name,
    [
      column("Service"),
      ({ spec }) => (spec?.service === undefined ? "Local" : `${spec.service.namespace ?? ""}/${spec.service.name ?? ""}`),
    ],
    [column("Available"), formatAvailable],
    age,
  ]),
});

function formatAvailable({ status }: apiregistrationv1.APIService): string {
  const condition = status?.conditions?.find(({ type }) => type === "Available");
  if (condition === undefined) return "Unknown";
  return condition.status === "True" ? "True" : `${condition.status} (${condition.reason ?? ""})`;
}
