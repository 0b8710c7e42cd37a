// Which pod has to go when the node runs short. Upstream: pkg/kubelet/eviction.
import type { corev1 } from "@lenj/proto/k8s";
import { isCriticalPod } from "../pod/identity.js";
import { wholeUnits } from "../resources/amount.js";

export interface EvictionThresholds {
  /** Evict when less memory than this is available. */
  readonly memoryAvailableBytes: number;
  /** Share of the file system, 0..1. */
  readonly nodefsAvailable: number;
  readonly nodefsInodesFree: number;
}

export const defaultThresholds: EvictionThresholds = { memoryAvailableBytes: 100 * 2 ** 20, nodefsAvailable: 0.1, nodefsInodesFree: 0.05 };

/** What is left on the node. */
export interface NodeSupply {
  readonly memoryAvailableBytes: number;
  readonly nodefsAvailableBytes: number;
  readonly nodefsCapacityBytes: number;
  readonly nodefsInodesFree: number;
  readonly nodefsInodes: number;
}

export type Shortage = {
  readonly resource: "memory" | "ephemeral-storage" | "inodes";
  readonly available: string;
  readonly threshold: string;
};

export function shortages(supply: NodeSupply, thresholds: EvictionThresholds): Shortage[] {
  const found: Shortage[] = [];
  if (supply.memoryAvailableBytes < thresholds.memoryAvailableBytes) {
    found.push({
      resource: "memory",
      available: `${Math.floor(supply.memoryAvailableBytes / 1024)}Ki`,
      threshold: `${Math.floor(thresholds.memoryAvailableBytes / 2 ** 20)}Mi`,
    });
  }
  const storage = supply.nodefsCapacityBytes * thresholds.nodefsAvailable;
  if (supply.nodefsAvailableBytes < storage) {
    found.push({
      resource: "ephemeral-storage",
      available: `${Math.floor(supply.nodefsAvailableBytes / 1024)}Ki`,
      threshold: String(Math.floor(storage)),
    });
  }
  // File systems without an inode count report zero of both.
  if (supply.nodefsInodes > 0 && supply.nodefsInodesFree < supply.nodefsInodes * thresholds.nodefsInodesFree) {
    found.push({
      resource: "inodes",
      available: String(supply.nodefsInodesFree),
      threshold: String(Math.floor(supply.nodefsInodes * thresholds.nodefsInodesFree)),
    });
  }
  return found;
}

export interface EvictionCandidate {
  readonly pod: corev1.Pod;
  readonly memoryBytes: number;
}

/**
 * The pod to evict: using more than it requested first, then the lower priority, then by how far above its request.
 * Critical and static pods stay.
 */
export function chooseVictim(candidates: readonly EvictionCandidate[]): EvictionCandidate | undefined {
  const ranked = candidates
    .filter((candidate) => !isCriticalPod(candidate.pod) && candidate.pod.metadata?.deletionTimestamp === undefined)
    .map((candidate) => ({
      candidate,
      excess: candidate.memoryBytes - memoryRequest(candidate.pod),
      priority: candidate.pod.spec?.priority ?? 0,
    }))
    .sort(
      (left, right) => Number(right.excess > 0) - Number(left.excess > 0) || left.priority - right.priority || right.excess - left.excess,
    );
  return ranked[0]?.candidate;
}

function memoryRequest(pod: corev1.Pod): number {
  return (pod.spec?.containers ?? []).reduce((sum, container) => sum + wholeUnits(container.resources?.requests?.["memory"]), 0);
}

export function evictionMessage(shortage: Shortage): string {
  return `The node was low on resource: ${shortage.resource}. Threshold quantity: ${shortage.threshold}, available: ${shortage.available}. `;
}
