import type { corev1 } from "@lenj/proto/k8s";
import type { Plugin } from "../../core/framework.js";
import { findUntolerated, tolerates } from "../../core/node-selection.js";

/** Keeps pods off tainted nodes, and prefers nodes with fewer soft taints that the pod does not tolerate. */
export const taintToleration: Plugin<readonly corev1.Toleration[]> = {
  name: "TaintToleration",
  weight: 3,
  wakesOn: ["NodeAdd", "NodeTaint", "PodUpdate"],
  preFilter: ({ pod }) => pod.spec?.tolerations ?? [],
  filter: (_pod, node, tolerations) =>
    findUntolerated(node.taints, tolerations, ["NoSchedule", "NoExecute"]) === undefined
      ? undefined
      : { isResolvable: false, reasons: ["node(s) had untolerated taint(s)"] },
  preScore: ({ pod }) =>
    (pod.spec?.tolerations ?? []).filter((toleration) => !toleration.effect || toleration.effect === "PreferNoSchedule"),
  score: (_pod, node, tolerations) =>
    node.taints.filter((taint) => taint.effect === "PreferNoSchedule" && !tolerations.some((toleration) => tolerates(toleration, taint)))
      .length,
  normalize: "reversed",
};
