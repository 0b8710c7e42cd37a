import {
  age,
  column,
  defineResource,
  defineTable,
  FieldPath,
  forbidden,
  nameColumn,
  required,
  semanticEqual,
  validateImmutable,
} from "@lenj/apimachinery";
import type { storagev1 } from "@lenj/proto/k8s";

const gvk = { group: "storage.k8s.io", version: "v1", kind: "StorageClass" } as const;

export const storageClass = defineResource<storagev1.StorageClass>({
  gvk,
  plural: "storageclasses",
  scope: "Cluster",
  storageVersionHash: "K+m6uJwbjGY=",
  shortNames: ["sc"],
  returnsDeletedObject: true,
  defaults(object) {
    object.reclaimPolicy ??= "Delete";
    object.volumeBindingMode ??= "Immediate";
  },
  strategy: {
    validateCreate: ({ provisioner }) => (provisioner ? [] : [required("provisioner")]),
    validateUpdate: (object, old) => [
      ...(semanticEqual(object.parameters ?? {}, old.parameters ?? {})
        ? []
        : [forbidden("parameters", "updates to parameters are forbidden.")]),
      ...(object.provisioner === old.provisioner ? [] : [forbidden("provisioner", "updates to provisioner are forbidden.")]),
      ...validateImmutable(object.reclaimPolicy, old.reclaimPolicy, FieldPath.of("reclaimPolicy")),
      ...validateImmutable(object.volumeBindingMode, old.volumeBindingMode, FieldPath.of("volumeBindingMode")),
    ],
  },
  table: defineTable<storagev1.StorageClass>([
    [
      nameColumn,
      ({ metadata }) =>
        `${metadata?.name ?? ""}${metadata?.annotations?.["storageclass.kubernetes.io/is-default-class"] === "true" ? " (default)" : ""}`,
    ],
    [column("Provisioner"), ({ provisioner }) => provisioner ?? ""],
    [column("ReclaimPolicy"), ({ reclaimPolicy }) => reclaimPolicy ?? ""],
    [column("VolumeBindingMode"), ({ volumeBindingMode }) => volumeBindingMode ?? ""],
    [column("AllowVolumeExpansion"), ({ allowVolumeExpansion }) => String(allowVolumeExpansion ?? false)],
    age,
  ]),
});
