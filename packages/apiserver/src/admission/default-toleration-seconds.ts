// Lets pods stay for a while on a node that went silent, unless they say how long themselves.
// Source: plugin/pkg/admission/defaulttolerationseconds.
import type { corev1 } from "@lenj/proto/k8s";
import type { KubeObject } from "../auth/ports.js";
import type { AdmissionPlugin } from "./ports.js";

export function defaultTolerationSeconds(seconds: { readonly notReady: number; readonly unreachable: number }): AdmissionPlugin {
  const wanted = { "node.kubernetes.io/not-ready": seconds.notReady, "node.kubernetes.io/unreachable": seconds.unreachable };
  return {
    name: "DefaultTolerationSeconds",
    handles: (operation) => operation === "CREATE" || operation === "UPDATE",
    admit: ({ resource, subresource, object }) => {
      if (resource.group !== "" || resource.resource !== "pods" || subresource !== "") return;
      const { spec } = object as KubeObject & corev1.Pod;
      if (spec === undefined) return;
      for (const [key, tolerationSeconds] of Object.entries(wanted)) {
        const covers = (toleration: corev1.Toleration): boolean =>
          (toleration.key === key || !toleration.key) && (toleration.effect === "NoExecute" || !toleration.effect);
        if ((spec.tolerations ?? []).some(covers)) continue;
        spec.tolerations = [...(spec.tolerations ?? []), { key, operator: "Exists", effect: "NoExecute", tolerationSeconds }];
      }
    },
  };
}
