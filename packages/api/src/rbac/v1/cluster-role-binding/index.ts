import { age, column, defineResource, defineTable, name, nameIsPathSegment } from "@lenj/apimachinery";
import type { rbacv1 } from "@lenj/proto/k8s";
import { setBindingDefaults, subjectsOf, validateBinding, validateBindingUpdate } from "../bindings.js";

const gvk = { group: "rbac.authorization.k8s.io", version: "v1", kind: "ClusterRoleBinding" } as const;

export const clusterRoleBinding = defineResource<rbacv1.ClusterRoleBinding>({
  gvk,
  plural: "clusterrolebindings",
  scope: "Cluster",
  storageVersionHash: "48tpQ8gZHFc=",
  allowCreateOnUpdate: true,
  validateName: nameIsPathSegment,
  defaults: setBindingDefaults,
  strategy: {
    validateCreate: (object) => validateBinding(object, { namespaced: false }),
    validateUpdate: (object, old) => [...validateBinding(object, { namespaced: false }), ...validateBindingUpdate(object, old)],
  },
  table: defineTable<rbacv1.ClusterRoleBinding>([
    name,
    [column("Role"), ({ roleRef }) => `${roleRef?.kind ?? ""}/${roleRef?.name ?? ""}`],
    age,
    [column("Users", { wide: true }), (object) => subjectsOf(object, "User")],
    [column("Groups", { wide: true }), (object) => subjectsOf(object, "Group")],
    [column("ServiceAccounts", { wide: true }), (object) => subjectsOf(object, "ServiceAccount")],
  ]),
});
