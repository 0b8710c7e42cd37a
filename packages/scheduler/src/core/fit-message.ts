// Why a pod has no node, in the words that people search for. Pure.
import type { Rejection } from "./framework.js";

/** `preemption` says why evicting others does not help; undefined when it does. */
export function formatFitMessage(nodeCount: number, rejections: ReadonlyMap<string, Rejection>, preemption: string | undefined): string {
  if (nodeCount === 0) return "no nodes available to schedule pods";
  const counts = formatCounts([...rejections.values()].flatMap((rejection) => rejection.reasons));
  const filtered = `0/${nodeCount} nodes are available: ${counts}.`;
  return preemption === undefined ? filtered : `${filtered} no new claims to deallocate, preemption: ${preemption}`;
}

/** Why preemption did not help, counted the same way. */
export function formatPreemptionMessage(nodeCount: number, rejections: ReadonlyMap<string, Rejection>): string {
  const reasons = [...rejections.values()].map((rejection) =>
    rejection.isResolvable ? "No preemption victims found for incoming pod" : "Preemption is not helpful for scheduling",
  );
  return `0/${nodeCount} nodes are available: ${formatCounts(reasons)}.`;
}

/** "2 Insufficient cpu, 1 Too many pods", sorted as text. */
function formatCounts(reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(", ");
}
