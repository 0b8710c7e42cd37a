import { age, column, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { admissionregistrationv1 } from "@lenj/proto/k8s";

const gvk = { group: "admissionregistration.k8s.io", version: "v1", kind: "MutatingWebhookConfiguration" } as const;

export const mutatingWebhookConfiguration = defineResource<admissionregistrationv1.MutatingWebhookConfiguration>({
  gvk,
  plural: "mutatingwebhookconfigurations",
  scope: "Cluster",
  storageVersionHash: "Sqi0GUgDaX0=",
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
      webhook.reinvocationPolicy ??= "Never";
      for (const rule of webhook.rules ?? []) rule.scope ??= "*";
      if (webhook.clientConfig?.service !== undefined) webhook.clientConfig.service.port ??= 443;
    }
  },
  table: defineTable<admissionregistrationv1.MutatingWebhookConfiguration>([
    name,
    [column("Webhooks", { type: "integer" }), ({ webhooks }) => (webhooks ?? []).length],
    age,
  ]),
});
