import {
  actionSubresource,
  coreUnknownFieldLabel,
  defineResource,
  FieldPath,
  objectSubresource,
  statusSubresource,
  withStatus,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { podSpecWarnings } from "../pod-spec/warnings.js";
import { setPodDefaults } from "./defaults.js";
import { ephemeralContainersStrategy, podGracePeriodSeconds, prepareNewPod, preparePodStatus, resizeStrategy } from "./strategy.js";
import { podTable } from "./table.js";
import { validatePod, validatePodStatusUpdate, validatePodUpdate } from "./validation.js";

const gvk = { group: "", version: "v1", kind: "Pod" } as const;
const options = (kind: string) => ({ group: "", version: "v1", kind });
const specPath = FieldPath.of("spec");

export const pod = defineResource<corev1.Pod>({
  gvk,
  plural: "pods",
  shortNames: ["po"],
  categories: ["all"],
  scope: "Namespaced",
  storageVersionHash: "xPOwRZ+Yhw8=",
  hasGeneration: true,
  defaults: setPodDefaults,
  strategy: withStatus({
    prepareForCreate: prepareNewPod,
    validateCreate: validatePod,
    validateUpdate: validatePodUpdate,
    warningsOnCreate: ({ spec }) => (spec === undefined ? [] : podSpecWarnings(spec, specPath)),
  }),
  subresources: [
    actionSubresource("attach", options("PodAttachOptions"), ["create", "get"]),
    actionSubresource("binding", options("Binding"), ["create"]),
    objectSubresource("ephemeralcontainers", gvk, ephemeralContainersStrategy),
    actionSubresource("eviction", { group: "policy", version: "v1", kind: "Eviction" }, ["create"], true),
    actionSubresource("exec", options("PodExecOptions"), ["create", "get"]),
    actionSubresource("log", gvk, ["get"]),
    actionSubresource("portforward", options("PodPortForwardOptions"), ["create", "get"]),
    actionSubresource("proxy", options("PodProxyOptions"), ["create", "delete", "get", "patch", "update"]),
    objectSubresource("resize", gvk, resizeStrategy),
    statusSubresource(gvk, {
      keepMetadata: ["ownerReferences"],
      prepareForUpdate: preparePodStatus,
      validateUpdate: validatePodStatusUpdate,
    }),
  ],
  selectableFields: [
    { label: "spec.nodeName", value: ({ spec }) => spec?.nodeName ?? "" },
    { label: "spec.restartPolicy", value: ({ spec }) => spec?.restartPolicy ?? "" },
    { label: "spec.schedulerName", value: ({ spec }) => spec?.schedulerName ?? "" },
    { label: "spec.serviceAccountName", value: ({ spec }) => spec?.serviceAccountName ?? "" },
    { label: "spec.hostNetwork", value: ({ spec }) => String(spec?.hostNetwork ?? false) },
    { label: "status.phase", value: ({ status }) => status?.phase ?? "" },
    { label: "status.podIP", value: ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? "" },
    { label: "status.podIPs", value: ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? "" },
    { label: "status.nominatedNodeName", value: ({ status }) => status?.nominatedNodeName ?? "" },
  ],
  unknownFieldLabel: coreUnknownFieldLabel,
  gracefulDeletion: { gracePeriodSeconds: podGracePeriodSeconds },
  returnsDeletedObject: true,
  table: podTable,
});
