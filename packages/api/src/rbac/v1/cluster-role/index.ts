import { defineResource, nameIsPathSegment } from "@lenj/apimachinery";
import type { rbacv1 } from "@lenj/proto/k8s";
import { validateRules } from "../bindings.js";

const gvk = { group: "rbac.authorization.k8s.io", version: "v1", kind: "ClusterRole" } as const;

export const clusterRole = defineResource<rbacv1.ClusterRole>({
  gvk,
  plural: "clusterroles",
  scope: "Cluster",
  storageVersionHash: "bYE5ZWDrJ44=",
  allowCreateOnUpdate: true,
  validateName: nameIsPathSegment,
  strategy: {
    validateCreate: ({ rules }) => validateRules(rules, { namespaced: false }),
    validateUpdate: ({ rules }) => validateRules(rules, { namespaced: false }),
  },
});
