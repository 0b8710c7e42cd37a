import { defineResource, nameIsPathSegment } from "@lenj/apimachinery";
import type { rbacv1 } from "@lenj/proto/k8s";
import { validateRules } from "../bindings.js";

const gvk = { group: "rbac.authorization.k8s.io", version: "v1", kind: "Role" } as const;

export const role = defineResource<rbacv1.Role>({
  gvk,
  plural: "roles",
  scope: "Namespaced",
  storageVersionHash: "7FuwZcIIItM=",
  allowCreateOnUpdate: true,
  validateName: nameIsPathSegment,
  strategy: {
    validateCreate: ({ rules }) => validateRules(rules, { namespaced: true }),
    validateUpdate: ({ rules }) => validateRules(rules, { namespaced: true }),
  },
});
