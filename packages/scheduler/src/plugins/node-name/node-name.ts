import type { Plugin } from "../../core/framework.js";

/** A pod that names its node goes nowhere else. */
export const nodeName: Plugin = {
  name: "NodeName",
  weight: 0,
  wakesOn: ["NodeAdd"],
  filter: ({ pod }, node) =>
    pod.spec?.nodeName && pod.spec.nodeName !== node.name
      ? { isResolvable: false, reasons: ["node(s) didn't match the requested node name"] }
      : undefined,
};
