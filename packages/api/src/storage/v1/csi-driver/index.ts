import { age, column, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { storagev1 } from "@lenj/proto/k8s";

const gvk = { group: "storage.k8s.io", version: "v1", kind: "CSIDriver" } as const;

export const csiDriver = defineResource<storagev1.CSIDriver>({
  gvk,
  plural: "csidrivers",
  scope: "Cluster",
  storageVersionHash: "hL6j/rwBV5w=",
  allowUnconditionalUpdate: false,
  returnsDeletedObject: true,
  defaults({ spec }) {
    if (spec === undefined) return;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= "ReadWriteOnceWithFSType";
    if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ["Persistent"];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  table: defineTable<storagev1.CSIDriver>([
    name,
    [column("AttachRequired", { type: "boolean" }), ({ spec }) => spec?.attachRequired ?? true],
    [column("PodInfoOnMount", { type: "boolean" }), ({ spec }) => spec?.podInfoOnMount ?? false],
    [column("StorageCapacity", { type: "boolean" }), ({ spec }) => spec?.storageCapacity ?? false],
    [column("TokenRequests"), ({ spec }) => (spec?.tokenRequests ?? []).map(({ audience }) => audience).join(",") || "<unset>"],
    [column("RequiresRepublish", { type: "boolean" }), ({ spec }) => spec?.requiresRepublish ?? false],
    [column("Modes"), ({ spec }) => (spec?.volumeLifecycleModes ?? []).join(",")],
    age,
  ]),
});
