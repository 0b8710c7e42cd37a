import {
  age,
  column,
  coreUnknownFieldLabel,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  forbidden,
  invalid,
  name,
  Quantity,
  required,
  semanticEqual,
  statusSubresource,
  validateImmutable,
  withStatus,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { formatAccessModes } from "../../../table/cells.js";
import { checkOptionalOneOf } from "../../../validation/checks.js";
import { validateAccessModes } from "../persistent-volume-claim/validation.js";
import { roundResourceList } from "../pod-spec/defaults.js";
import { setStorageSystemDefaults } from "../pod-spec/volume-defaults.js";

const gvk = { group: "", version: "v1", kind: "PersistentVolume" } as const;
const specPath = FieldPath.of("spec");

export const persistentVolume = defineResource<corev1.PersistentVolume>({
  gvk,
  plural: "persistentvolumes",
  shortNames: ["pv"],
  scope: "Cluster",
  storageVersionHash: "HN/zwEC+JgM=",
  defaults(volume) {
    (volume.status ??= {}).phase ||= "Pending";
    const { spec } = volume;
    if (spec === undefined) return;
    spec.persistentVolumeReclaimPolicy ||= "Retain";
    spec.volumeMode ??= "Filesystem";
    if (spec.hostPath !== undefined) spec.hostPath.type ??= "";
    roundResourceList(spec.capacity);
    setStorageSystemDefaults({ rbd: spec.rbd, azureDisk: spec.azureDisk, scaleIO: spec.scaleIO });
  },
  strategy: withStatus({
    prepareForCreate: (object) => void (object.status = { phase: "Pending" }),
    validateCreate: validate,
    validateUpdate(object, old) {
      const errors = validate(object);
      if (!semanticEqual(sourceOf(object), sourceOf(old)))
        errors.push(forbidden(FieldPath.of("spec", "persistentvolumesource"), "spec.persistentvolumesource is immutable after creation"));
      return [...errors, ...validateImmutable(object.spec?.volumeMode, old.spec?.volumeMode, FieldPath.of("volumeMode"))];
    },
  }),
  subresources: [statusSubresource(gvk)],
  unknownFieldLabel: coreUnknownFieldLabel,
  returnsDeletedObject: true,
  table: defineTable<corev1.PersistentVolume>([
    name,
    [column("Capacity"), ({ spec }) => spec?.capacity?.["storage"] ?? "0"],
    [column("Access Modes"), ({ spec }) => formatAccessModes(spec?.accessModes)],
    [column("Reclaim Policy"), ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? ""],
    [column("Status"), ({ metadata, status }) => (metadata?.deletionTimestamp ? "Terminating" : (status?.phase ?? ""))],
    [column("Claim"), ({ spec }) => (spec?.claimRef === undefined ? "" : `${spec.claimRef.namespace ?? ""}/${spec.claimRef.name ?? ""}`)],
    [
      column("StorageClass"),
      ({ metadata, spec }) => metadata?.annotations?.["volume.beta.kubernetes.io/storage-class"] ?? spec?.storageClassName ?? "",
    ],
    [column("VolumeAttributesClass"), ({ spec }) => spec?.volumeAttributesClassName ?? "<unset>"],
    [column("Reason"), ({ status }) => status?.reason ?? ""],
    age,
    [column("VolumeMode", { wide: true }), ({ spec }) => spec?.volumeMode ?? "<unset>"],
  ]),
});

const commonFields = new Set([
  "capacity",
  "accessModes",
  "claimRef",
  "persistentVolumeReclaimPolicy",
  "storageClassName",
  "mountOptions",
  "volumeMode",
  "nodeAffinity",
  "volumeAttributesClassName",
]);

/** The storage behind the volume: the one field that is not common to all. */
function sourceOf({ spec }: corev1.PersistentVolume): object {
  return Object.fromEntries(Object.entries(spec ?? {}).filter(([field, value]) => !commonFields.has(field) && value !== undefined));
}

function validate(volume: corev1.PersistentVolume): FieldError[] {
  const spec = volume.spec ?? {};
  const modes = spec.accessModes ?? [];
  const errors: FieldError[] = modes.length === 0 ? [required(specPath.child("accessModes"))] : [];
  errors.push(...validateAccessModes(modes, specPath.child("accessModes")));
  const storage = spec.capacity?.["storage"];
  if (storage === undefined) errors.push(required(specPath.child("capacity")));
  else if (Quantity.parse(storage).sign() <= 0)
    errors.push(invalid(specPath.child("capacity").key("storage"), storage, "must be greater than zero"));
  errors.push(
    ...checkOptionalOneOf(spec.persistentVolumeReclaimPolicy, specPath.child("persistentVolumeReclaimPolicy"), [
      "Delete",
      "Recycle",
      "Retain",
    ]),
  );
  const sources = Object.keys(sourceOf(volume));
  if (sources.length === 0) errors.push(required(specPath, "must specify a volume type"));
  for (const extra of sources.slice(1)) errors.push(forbidden(specPath.child(extra), "may not specify more than 1 volume type"));
  return [...errors, ...checkOptionalOneOf(spec.volumeMode, specPath.child("volumeMode"), ["Block", "Filesystem"])];
}
