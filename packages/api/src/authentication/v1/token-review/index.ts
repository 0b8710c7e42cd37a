import { defineResource } from "@lenj/apimachinery";
import type { authenticationv1 } from "@lenj/proto/k8s";

const gvk = { group: "authentication.k8s.io", version: "v1", kind: "TokenReview" } as const;

export const tokenReview = defineResource<authenticationv1.TokenReview>({
  gvk,
  plural: "tokenreviews",
  scope: "Cluster",
  verbs: ["create"],
  storage: null,
});
