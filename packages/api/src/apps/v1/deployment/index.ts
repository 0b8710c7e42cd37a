import { defineResource, scaleSubresource, semanticEqual, specChanges, statusSubresource, withStatus } from "@lenj/apimachinery";
import type { appsv1 } from "@lenj/proto/k8s";
import { scaleSelector } from "../../../table/scale-selector.js";
import { workloadNameWarnings } from "../workload-warnings.js";
import { setDeploymentDefaults } from "./defaults.js";
import { deploymentTable } from "./table.js";
import { validateDeployment, validateDeploymentStatus, validateDeploymentUpdate } from "./validation.js";

const gvk = { group: "apps", version: "v1", kind: "Deployment" } as const;

export const deployment = defineResource<appsv1.Deployment>({
  gvk,
  plural: "deployments",
  shortNames: ["deploy"],
  categories: ["all"],
  scope: "Namespaced",
  storageVersionHash: "8aSe+NMegvE=",
  hasGeneration: true,
  // Annotations count, because they are copied to the replica sets.
  generationChanges: (object, old) =>
    specChanges(object, old) || !semanticEqual(object.metadata?.annotations ?? {}, old.metadata?.annotations ?? {}),
  defaults: setDeploymentDefaults,
  strategy: withStatus({
    validateCreate: validateDeployment,
    validateUpdate: validateDeploymentUpdate,
    warningsOnCreate: (object) => workloadNameWarnings(object, object.spec?.template),
    warningsOnUpdate: (object, old) =>
      object.metadata?.generation === old.metadata?.generation ? [] : workloadNameWarnings(undefined, object.spec?.template),
  }),
  subresources: [
    statusSubresource(gvk, { keepMetadata: ["labels"], validateUpdate: validateDeploymentStatus }),
    scaleSubresource({
      replicas: ({ spec }) => spec?.replicas ?? 0,
      setReplicas: (object, replicas) => void (object.spec && (object.spec.replicas = replicas)),
      statusReplicas: ({ status }) => status?.replicas ?? 0,
      selector: ({ spec }) => scaleSelector(spec?.selector),
    }),
  ],
  table: deploymentTable,
});
