import { actionSubresource, age, coreUnknownFieldLabel, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

export const serviceAccount = defineResource<corev1.ServiceAccount>({
  gvk: { group: "", version: "v1", kind: "ServiceAccount" },
  plural: "serviceaccounts",
  shortNames: ["sa"],
  scope: "Namespaced",
  storageVersionHash: "pbx9ZvyFpBE=",
  subresources: [actionSubresource("token", { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" }, ["create"], true)],
  unknownFieldLabel: coreUnknownFieldLabel,
  returnsDeletedObject: true,
  table: defineTable<corev1.ServiceAccount>([name, age]),
});
