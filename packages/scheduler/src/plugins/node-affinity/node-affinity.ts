import type { Plugin } from "../../core/framework.js";
import { matchesNodeSelectorTerm, matchesRequiredAffinity } from "../../core/node-selection.js";

/** nodeSelector and node affinity, required and preferred. */
export const nodeAffinity: Plugin = {
  name: "NodeAffinity",
  weight: 2,
  wakesOn: ["NodeAdd", "NodeLabel"],
  preFilter: ({ pod }) =>
    pod.spec?.nodeSelector === undefined && pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution === undefined
      ? "skip"
      : undefined,
  filter: ({ pod }, node) =>
    matchesRequiredAffinity(pod, node)
      ? undefined
      : { isResolvable: false, reasons: ["node(s) didn't match Pod's node affinity/selector"] },
  preScore: ({ pod }) =>
    (pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).length === 0 ? "skip" : undefined,
  score: ({ pod }, node) => {
    const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    return preferred
      .filter((term) => term.preference !== undefined && matchesNodeSelectorTerm(term.preference, node))
      .reduce((sum, term) => sum + (term.weight ?? 0), 0);
  },
  normalize: "max",
};
