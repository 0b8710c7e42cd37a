import { age, column, defineResource, defineTable, name, statusSubresource, withStatus } from "@lenj/apimachinery";
import type { admissionregistrationv1 } from "@lenj/proto/k8s";

const gvk = { group: "admissionregistration.k8s.io", version: "v1", kind: "ValidatingAdmissionPolicy" } as const;

export const validatingAdmissionPolicy = defineResource<admissionregistrationv1.ValidatingAdmissionPolicy>({
  gvk,
  plural: "validatingadmissionpolicies",
  scope: "Cluster",
  storageVersionHash: "6OxvlMmQ6is=",
  categories: ["api-extensions"],
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  defaults({ spec }) {
    if (spec === undefined) return;
    spec.failurePolicy ??= "Fail";
    const constraints = spec.matchConstraints;
    if (constraints === undefined) return;
    constraints.matchPolicy ??= "Equivalent";
    constraints.namespaceSelector ??= {};
    constraints.objectSelector ??= {};
    for (const rule of [...(constraints.resourceRules ?? []), ...(constraints.excludeResourceRules ?? [])]) rule.scope ??= "*";
  },
  strategy: withStatus({}),
  subresources: [statusSubresource(gvk, { keepMetadata: "all" })],
  table: defineTable<admissionregistrationv1.ValidatingAdmissionPolicy>([
    name,
    [column("Validations", { type: "integer" }), ({ spec }) => (spec?.validations ?? []).length],
    [
      column("ParamKind"),
      ({ spec }) => (spec?.paramKind === undefined ? "<unset>" : `${spec.paramKind.apiVersion ?? ""}/${spec.paramKind.kind ?? ""}`),
    ],
    age,
  ]),
});
