// New nodes begin tainted as not ready; the node lifecycle controller takes the taint away once they are.
// Source: plugin/pkg/admission/nodetaint.
import type { corev1 } from "@lenj/proto/k8s";
import type { KubeObject } from "../auth/ports.js";
import type { AdmissionPlugin } from "./ports.js";

const taint = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" } as const;

export const taintNodesByCondition: AdmissionPlugin = {
  name: "TaintNodesByCondition",
  handles: (operation) => operation === "CREATE",
  admit: ({ resource, subresource, object }) => {
    if (resource.group !== "" || resource.resource !== "nodes" || subresource !== "") return;
    const node = object as KubeObject & corev1.Node;
    const taints = node.spec?.taints ?? [];
    if (taints.some((known) => known.key === taint.key && known.effect === taint.effect)) return;
    node.spec = { ...node.spec, taints: [...taints, { ...taint }] };
  },
};
