import { age, column, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { admissionregistrationv1 } from "@lenj/proto/k8s";

const gvk = { group: "admissionregistration.k8s.io", version: "v1", kind: "ValidatingWebhookConfiguration" } as const;

export const validatingWebhookConfiguration = defineResource<admissionregistrationv1.ValidatingWebhookConfiguration>({
  gvk,
  plural: "validatingwebhookconfigurations",
  scope: "Cluster",
  storageVersionHash: "B0wHjQmsGNk=",
  categories: ["api-extensions"],
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  defaults({ webhooks }) {
    for (const webhook of webhooks ?? []) {
      webhook.failurePolicy ??= "Fail";
      webhook.matchPolicy ??= "Equivalent";
      webhook.namespaceSelector ??= {};
      webhook.objectSelector ??= {};
      webhook.timeoutSeconds ??= 10;
      for (const rule of webhook.rules ?? []) rule.scope ??= "*";
      if (webhook.clientConfig?.service !== undefined) webhook.clientConfig.service.port ??= 443;
    }
  },
  table: defineTable<admissionregistrationv1.ValidatingWebhookConfiguration>([
    name,
    [column("Webhooks", { type: "integer" }), ({ webhooks }) => (webhooks ?? []).length],
    age,
  ]),
});
