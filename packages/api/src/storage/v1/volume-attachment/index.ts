import { age, column, defineResource, defineTable, name, statusSubresource, withStatus } from "@lenj/apimachinery";
import type { storagev1 } from "@lenj/proto/k8s";

const gvk = { group: "storage.k8s.io", version: "v1", kind: "VolumeAttachment" } as const;

export const volumeAttachment = defineResource<storagev1.VolumeAttachment>({
  gvk,
  plural: "volumeattachments",
  scope: "Cluster",
  storageVersionHash: "tJx/ezt6UDU=",
  allowUnconditionalUpdate: false,
  returnsDeletedObject: true,
  strategy: withStatus({}),
  subresources: [statusSubresource(gvk, { keepMetadata: "all" })],
  table: defineTable<storagev1.VolumeAttachment>([
    name,
    [column("Attacher"), ({ spec }) => spec?.attacher ?? ""],
    [column("PV"), ({ spec }) => spec?.source?.persistentVolumeName ?? ""],
    [column("Node"), ({ spec }) => spec?.nodeName ?? ""],
    [column("Attached", { type: "boolean" }), ({ status }) => status?.attached ?? false],
    age,
  ]),
});
