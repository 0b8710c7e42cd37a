import { age, column, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { admissionregistrationv1 } from "@lenj/proto/k8s";

const gvk = { group: "admissionregistration.k8s.io", version: "v1", kind: "ValidatingAdmissionPolicyBinding" } as const;

export const validatingAdmissionPolicyBinding = defineResource<admissionregistrationv1.ValidatingAdmissionPolicyBinding>({
  gvk,
  plural: "validatingadmissionpolicybindings",
  scope: "Cluster",
  storageVersionHash: "v9715VZqakg=",
  categories: ["api-extensions"],
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  defaults({ spec }) {
    const resources = spec?.matchResources;
    if (resources === undefined) return;
    resources.matchPolicy ??= "Equivalent";
    resources.namespaceSelector ??= {};
    resources.objectSelector ??= {};
  },
  table: defineTable<admissionregistrationv1.ValidatingAdmissionPolicyBinding>([
    name,
    [column("PolicyName"), ({ spec }) => spec?.policyName ?? ""],
    [
      column("ParamRef"),
      ({ spec }) =>
        spec?.paramRef === undefined
          ? "<unset>"
          : spec.paramRef.name
            ? `${spec.paramRef.namespace || "*"}/${spec.paramRef.name}`
            : "<selector>",
    ],
    age,
  ]),
});
