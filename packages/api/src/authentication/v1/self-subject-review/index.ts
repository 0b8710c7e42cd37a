import { defineResource } from "@lenj/apimachinery";
import type { authenticationv1 } from "@lenj/proto/k8s";

const gvk = { group: "authentication.k8s.io", version: "v1", kind: "SelfSubjectReview" } as const;

export const selfSubjectReview = defineResource<authenticationv1.SelfSubjectReview>({
  gvk,
  plural: "selfsubjectreviews",
  scope: "Cluster",
  verbs: ["create"],
  storage: null,
});
