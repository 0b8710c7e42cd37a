// A few resources without rules of their own, for tests of the machinery.
import { defineResource, type KubernetesObject, type ResourceDeclaration, statusSubresource, withStatus } from "@lenj/apimachinery";

const deploymentKind = { group: "apps", version: "v1", kind: "Deployment" } as const;

export const testDeclarations: readonly ResourceDeclaration[] = [
  defineResource<KubernetesObject>({
    gvk: { group: "", version: "v1", kind: "ConfigMap" },
    plural: "configmaps",
    shortNames: ["cm"],
    scope: "Namespaced",
  }),
  defineResource<KubernetesObject>({ gvk: { group: "", version: "v1", kind: "Secret" }, plural: "secrets", scope: "Namespaced" }),
  defineResource<KubernetesObject>({
    gvk: { group: "", version: "v1", kind: "Namespace" },
    plural: "namespaces",
    shortNames: ["ns"],
    scope: "Cluster",
    returnsDeletedObject: true,
  }),
  defineResource<KubernetesObject>({
    gvk: deploymentKind,
    plural: "deployments",
    shortNames: ["deploy"],
    scope: "Namespaced",
    hasGeneration: true,
    strategy: withStatus({}),
    subresources: [statusSubresource(deploymentKind)],
  }),
  defineResource<KubernetesObject>({
    gvk: { group: "coordination.k8s.io", version: "v1", kind: "Lease" },
    plural: "leases",
    scope: "Namespaced",
    allowUnconditionalUpdate: false,
    allowCreateOnUpdate: true,
  }),
];
