import { defineResource } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

/** Binds a pod to a node; the older form of pods/binding. Not kept. */
export const binding = defineResource<corev1.Binding>({
  gvk: { group: "", version: "v1", kind: "Binding" },
  plural: "bindings",
  scope: "Namespaced",
  verbs: ["create"],
  storage: null,
});
