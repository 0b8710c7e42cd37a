import { defineResource } from "@lenj/apimachinery";
import type { authorizationv1 } from "@lenj/proto/k8s";

const gvk = { group: "authorization.k8s.io", version: "v1", kind: "SubjectAccessReview" } as const;

export const subjectAccessReview = defineResource<authorizationv1.SubjectAccessReview>({
  gvk,
  plural: "subjectaccessreviews",
  scope: "Cluster",
  verbs: ["create"],
  storage: null,
});
