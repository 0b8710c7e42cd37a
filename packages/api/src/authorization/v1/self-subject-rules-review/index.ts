import { defineResource } from "@lenj/apimachinery";
import type { authorizationv1 } from "@lenj/proto/k8s";

const gvk = { group: "authorization.k8s.io", version: "v1", kind: "SelfSubjectRulesReview" } as const;

export const selfSubjectRulesReview = defineResource<authorizationv1.SelfSubjectRulesReview>({
  gvk,
  plural: "selfsubjectrulesreviews",
  scope: "Cluster",
  verbs: ["create"],
  storage: null,
});
