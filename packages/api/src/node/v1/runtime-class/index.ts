import { age, column, defineResource, defineTable, FieldPath, name, validateImmutable } from "@lenj/apimachinery";
import type { nodev1 } from "@lenj/proto/k8s";

const gvk = { group: "node.k8s.io", version: "v1", kind: "RuntimeClass" } as const;

export const runtimeClass = defineResource<nodev1.RuntimeClass>({
  gvk,
  plural: "runtimeclasses",
  scope: "Cluster",
  storageVersionHash: "WQTu1GL3T2Q=",
  allowUnconditionalUpdate: false,
  allowCreateOnUpdate: true,
  strategy: { validateUpdate: (object, old) => validateImmutable(object.handler, old.handler, FieldPath.of("handler")) },
  table: defineTable<nodev1.RuntimeClass>([name, [column("Handler"), ({ handler }) => handler ?? ""], age]),
});
