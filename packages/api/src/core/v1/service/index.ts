import {
  actionSubresource,
  coreUnknownFieldLabel,
  defineResource,
  nameIsDNS1035Label,
  statusSubresource,
  withStatus,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { setServiceDefaults } from "./defaults.js";
import { keepAllocations } from "./strategy.js";
import { serviceTable } from "./table.js";
import { validateService, validateServiceUpdate } from "./validation.js";

const gvk = { group: "", version: "v1", kind: "Service" } as const;

/** Cluster addresses and node ports are allocated by the api-server between defaulting and validation. */
export const service = defineResource<corev1.Service>({
  gvk,
  plural: "services",
  shortNames: ["svc"],
  categories: ["all"],
  scope: "Namespaced",
  storage: { prefix: "services/specs" },
  storageVersionHash: "0/CO1lhkEBI=",
  allowCreateOnUpdate: true,
  validateName: nameIsDNS1035Label,
  defaults: setServiceDefaults,
  strategy: withStatus({ prepareForUpdate: keepAllocations, validateCreate: validateService, validateUpdate: validateServiceUpdate }),
  subresources: [
    actionSubresource("proxy", { group: "", version: "v1", kind: "ServiceProxyOptions" }, ["create", "delete", "get", "patch", "update"]),
    statusSubresource(gvk),
  ],
  selectableFields: [
    { label: "spec.clusterIP", value: ({ spec }) => spec?.clusterIP ?? "" },
    { label: "spec.type", value: ({ spec }) => spec?.type ?? "" },
  ],
  unknownFieldLabel: coreUnknownFieldLabel,
  returnsDeletedObject: true,
  table: serviceTable,
});
