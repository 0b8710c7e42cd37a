import { defineResource } from "@lenj/apimachinery";
import type { authorizationv1 } from "@lenj/proto/k8s";

const gvk = { group: "authorization.k8s.io", version: "v1", kind: "SelfSubjectAccessReview" } as const;

export const selfSubjectAccessReview = defineResource<authorizationv1.SelfSubjectAccessReview>({
  gvk,
  plural: "selfsubjectaccessreviews",
  scope: "Cluster",
  verbs: ["create"],
  storage: null,
});
