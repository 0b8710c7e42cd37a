import type { Plugin } from "../../core/framework.js";

/** Pods with gates are not tried before their gates are gone. */
export const schedulingGates: Plugin = {
  name: "SchedulingGates",
  weight: 0,
  wakesOn: ["PodUpdate"],
  preEnqueue: (pod) =>
    (pod.spec?.schedulingGates ?? []).length > 0 ? "Scheduling is blocked due to non-empty scheduling gates" : undefined,
};
