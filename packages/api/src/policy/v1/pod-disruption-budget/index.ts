import {
  age,
  column,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  invalid,
  name,
  statusSubresource,
  validateLabelSelector,
  validateNotOver100Percent,
  validatePositiveIntOrPercent,
  withStatus,
} from "@lenj/apimachinery";
import type { policyv1 } from "@lenj/proto/k8s";

const gvk = { group: "policy", version: "v1", kind: "PodDisruptionBudget" } as const;

export const podDisruptionBudget = defineResource<policyv1.PodDisruptionBudget>({
  gvk,
  plural: "poddisruptionbudgets",
  scope: "Namespaced",
  storageVersionHash: "EVWiDmWqyJw=",
  shortNames: ["pdb"],
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  strategy: withStatus({ validateCreate: validate, validateUpdate: validate }),
  subresources: [statusSubresource(gvk)],
  table: defineTable<policyv1.PodDisruptionBudget>([
    name,
    [column("Min Available"), ({ spec }) => String(spec?.minAvailable ?? "N/A")],
    [column("Max Unavailable"), ({ spec }) => String(spec?.maxUnavailable ?? "N/A")],
    [column("Allowed Disruptions", { type: "integer" }), ({ status }) => status?.disruptionsAllowed ?? 0],
    age,
  ]),
});

function validate({ spec = {} }: policyv1.PodDisruptionBudget): FieldError[] {
  const path = FieldPath.of("spec");
  const errors: FieldError[] = [];
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined)
    errors.push(invalid(path, spec, "minAvailable and maxUnavailable cannot be both set"));
  for (const field of ["minAvailable", "maxUnavailable"] as const) {
    const value = spec[field];
    if (value !== undefined)
      errors.push(...validatePositiveIntOrPercent(value, path.child(field)), ...validateNotOver100Percent(value, path.child(field)));
  }
  return [...errors, ...validateLabelSelector(spec.selector, path.child("selector"))];
}
