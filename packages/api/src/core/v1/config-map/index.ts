import { age, column, coreUnknownFieldLabel, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { validateConfigMap, validateConfigMapUpdate } from "./validation.js";

export const configMap = defineResource<corev1.ConfigMap>({
  gvk: { group: "", version: "v1", kind: "ConfigMap" },
  plural: "configmaps",
  shortNames: ["cm"],
  scope: "Namespaced",
  storageVersionHash: "qFsyl6wFWjQ=",
  strategy: { validateCreate: validateConfigMap, validateUpdate: validateConfigMapUpdate },
  unknownFieldLabel: coreUnknownFieldLabel,
  table: defineTable<corev1.ConfigMap>([
    name,
    [
      column("Data", { description: "Number of entries." }),
      ({ data, binaryData }) => String(Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length),
    ],
    age,
  ]),
});
