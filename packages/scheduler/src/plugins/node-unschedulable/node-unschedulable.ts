import type { Plugin } from "../../core/framework.js";
import { tolerates } from "../../core/node-selection.js";

const taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" } as const;

/** Cordoned nodes take only pods that tolerate it. */
export const nodeUnschedulable: Plugin = {
  name: "NodeUnschedulable",
  weight: 0,
  wakesOn: ["NodeAdd", "NodeTaint"],
  filter: ({ pod }, { node }) => {
    if (node.spec?.unschedulable !== true || (pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, taint)))
      return undefined;
    return { isResolvable: false, reasons: ["node(s) were unschedulable"] };
  },
};
