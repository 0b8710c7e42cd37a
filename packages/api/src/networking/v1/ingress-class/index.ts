import { age, column, defineResource, defineTable, FieldPath, name, validateImmutable } from "@lenj/apimachinery";
import type { networkingv1 } from "@lenj/proto/k8s";

const gvk = { group: "networking.k8s.io", version: "v1", kind: "IngressClass" } as const;

export const ingressClass = defineResource<networkingv1.IngressClass>({
  gvk,
  plural: "ingressclasses",
  scope: "Cluster",
  storageVersionHash: "l/iqIbDgFyQ=",
  hasGeneration: true,
  defaults({ spec }) {
    if (spec?.parameters !== undefined) spec.parameters.scope ??= "Cluster";
  },
  strategy: {
    validateUpdate: (object, old) => validateImmutable(object.spec?.controller, old.spec?.controller, FieldPath.of("spec", "controller")),
  },
  table: defineTable<networkingv1.IngressClass>([
    name,
    [column("Controller"), ({ spec }) => spec?.controller ?? ""],
    [
      column("Parameters"),
      ({ spec }) =>
        spec?.parameters === undefined
          ? "<none>"
          : `${spec.parameters.kind}${spec.parameters.apiGroup ? `.${spec.parameters.apiGroup}` : ""}/${spec.parameters.name}`,
    ],
    age,
  ]),
});
