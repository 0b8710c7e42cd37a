import {
  age,
  column,
  coreUnknownFieldLabel,
  defineResource,
  defineTable,
  FieldPath,
  name,
  statusSubresource,
  withStatus,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { formatAccessModes } from "../../../table/cells.js";
import { setClaimDefaults } from "./defaults.js";
import { validateClaimSpec, validateClaimUpdate } from "./validation.js";

const gvk = { group: "", version: "v1", kind: "PersistentVolumeClaim" } as const;

export const persistentVolumeClaim = defineResource<corev1.PersistentVolumeClaim>({
  gvk,
  plural: "persistentvolumeclaims",
  shortNames: ["pvc"],
  scope: "Namespaced",
  storageVersionHash: "QWTyNDq0dC4=",
  defaults: setClaimDefaults,
  strategy: withStatus({
    prepareForCreate: (object) => void (object.status = { phase: "Pending" }),
    validateCreate: ({ spec }) => validateClaimSpec(spec ?? {}, FieldPath.of("spec")),
    validateUpdate: validateClaimUpdate,
  }),
  subresources: [statusSubresource(gvk)],
  unknownFieldLabel: coreUnknownFieldLabel,
  returnsDeletedObject: true,
  table: defineTable<corev1.PersistentVolumeClaim>([
    name,
    [column("Status"), ({ metadata, status }) => (metadata?.deletionTimestamp ? "Terminating" : (status?.phase ?? ""))],
    [column("Volume"), ({ spec }) => spec?.volumeName ?? ""],
    [column("Capacity"), ({ spec, status }) => (spec?.volumeName ? (status?.capacity?.["storage"] ?? "0") : "")],
    [column("Access Modes"), ({ spec, status }) => (spec?.volumeName ? formatAccessModes(status?.accessModes) : "")],
    [
      column("StorageClass"),
      ({ metadata, spec }) => metadata?.annotations?.["volume.beta.kubernetes.io/storage-class"] ?? spec?.storageClassName ?? "",
    ],
    [column("VolumeAttributesClass"), ({ spec }) => spec?.volumeAttributesClassName ?? "<unset>"],
    age,
    [column("VolumeMode", { wide: true }), ({ spec }) => spec?.volumeMode ?? "<unset>"],
  ]),
});
