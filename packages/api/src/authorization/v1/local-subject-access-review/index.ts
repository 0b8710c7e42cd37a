import { defineResource } from "@lenj/apimachinery";
import type { authorizationv1 } from "@lenj/proto/k8s";

const gvk = { group: "authorization.k8s.io", version: "v1", kind: "LocalSubjectAccessReview" } as const;

export const localSubjectAccessReview = defineResource<authorizationv1.LocalSubjectAccessReview>({
  gvk,
  plural: "localsubjectaccessreviews",
  scope: "Namespaced",
  verbs: ["create"],
  storage: null,
});
