import {
  age,
  column,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  invalid,
  name,
  validateNonNegative,
} from "@lenj/apimachinery";
import type { coordinationv1 } from "@lenj/proto/k8s";

const gvk = { group: "coordination.k8s.io", version: "v1", kind: "Lease" } as const;

export const lease = defineResource<coordinationv1.Lease>({
  gvk,
  plural: "leases",
  scope: "Namespaced",
  storageVersionHash: "gqkMMb/YqFM=",
  allowUnconditionalUpdate: false,
  allowCreateOnUpdate: true,
  strategy: { validateCreate: validate, validateUpdate: validate },
  table: defineTable<coordinationv1.Lease>([name, [column("Holder"), ({ spec }) => spec?.holderIdentity ?? ""], age]),
});

function validate({ spec = {} }: coordinationv1.Lease): FieldError[] {
  const path = FieldPath.of("spec");
  const seconds = spec.leaseDurationSeconds;
  const errors: FieldError[] =
    seconds !== undefined && seconds <= 0 ? [invalid(path.child("leaseDurationSeconds"), seconds, "must be greater than 0")] : [];
  return [...errors, ...validateNonNegative(spec.leaseTransitions, path.child("leaseTransitions"))];
}
