import { age, column, defineResource, defineTable, name, nameIsPathSegment } from "@lenj/apimachinery";
import type { rbacv1 } from "@lenj/proto/k8s";
import { setBindingDefaults, subjectsOf, validateBinding, validateBindingUpdate } from "../bindings.js";

const gvk = { group: "rbac.authorization.k8s.io", version: "v1", kind: "RoleBinding" } as const;

export const roleBinding = defineResource<rbacv1.RoleBinding>({
  gvk,
  plural: "rolebindings",
  scope: "Namespaced",
  storageVersionHash: "eGsCzGH6b1g=",
  allowCreateOnUpdate: true,
  validateName: nameIsPathSegment,
  defaults: setBindingDefaults,
  strategy: {
    validateCreate: (object) => validateBinding(object, { namespaced: true }),
    validateUpdate: (object, old) => [...validateBinding(object, { namespaced: true }), ...validateBindingUpdate(object, old)],
  },
  table: defineTable<rbacv1.RoleBinding>([
    name,
    [column("Role"), ({ roleRef }) => `${roleRef?.kind ?? ""}/${roleRef?.name ?? ""}`],
    age,
    [column("Users", { wide: true }), (object) => subjectsOf(object, "User")],
    [column("Groups", { wide: true }), (object) => subjectsOf(object, "Group")],
    [column("ServiceAccounts", { wide: true }), (object) => subjectsOf(object, "ServiceAccount")],
  ]),
});
