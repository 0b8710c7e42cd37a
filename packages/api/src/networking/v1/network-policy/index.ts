import { age, column, defineResource, defineTable, FieldPath, formatLabelSelector, name, validateLabelSelector } from "@lenj/apimachinery";
import type { networkingv1 } from "@lenj/proto/k8s";

const gvk = { group: "networking.k8s.io", version: "v1", kind: "NetworkPolicy" } as const;

export const networkPolicy = defineResource<networkingv1.NetworkPolicy>({
  gvk,
  plural: "networkpolicies",
  scope: "Namespaced",
  storageVersionHash: "YpfwF18m1G8=",
  shortNames: ["netpol"],
  hasGeneration: true,
  defaults({ spec }) {
    if (spec === undefined) return;
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const port of rule.ports ?? []) port.protocol ??= "TCP";
    if ((spec.policyTypes ?? []).length === 0) spec.policyTypes = (spec.egress ?? []).length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
  },
  strategy: { validateCreate: validate, validateUpdate: validate },
  table: defineTable<networkingv1.NetworkPolicy>([
    name,
    [column("Pod-Selector"), ({ spec }) => formatLabelSelector(spec?.podSelector)],
    age,
  ]),
});

function validate({ spec }: networkingv1.NetworkPolicy) {
  return validateLabelSelector(spec?.podSelector, FieldPath.of("spec", "podSelector"));
}
