import { coreUnknownFieldLabel, defaultTable, defineResource } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { setLimitRangeDefaults } from "./defaults.js";
import { validateLimitRange } from "./validation.js";

export const limitRange = defineResource<corev1.LimitRange>({
  gvk: { group: "", version: "v1", kind: "LimitRange" },
  plural: "limitranges",
  shortNames: ["limits"],
  scope: "Namespaced",
  storageVersionHash: "EBKMFVe6cwo=",
  allowCreateOnUpdate: true,
  defaults: setLimitRangeDefaults,
  strategy: { validateCreate: validateLimitRange, validateUpdate: (object) => validateLimitRange(object) },
  unknownFieldLabel: coreUnknownFieldLabel,
  table: defaultTable,
});
