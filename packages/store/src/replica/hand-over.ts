// Leadership given away by choice: at the end, and when the disk under the log stands still.
import type { Clock } from "@lenj/base";
import type { RaftNode } from "@lenj/raft";

/** The follower that is furthest, among the voters lately heard of; undefined when there is none. */
export function bestSuccessor(node: RaftNode, self: bigint): bigint | undefined {
  return [...node.status().progress]
    .filter(([id, peer]) => id !== self && !peer.isLearner && peer.recentActive)
    .sort(([, a], [, b]) => b.match - a.match)[0]?.[0];
}

const lookEveryMs = 5;

/** Resolves when it holds no more, at the latest after `limitMs`. */
export async function waitWhile(holds: () => boolean, limitMs: number, clock: Clock): Promise<void> {
  const deadlineMs = clock.monotonicMs() + limitMs;
  while (holds() && clock.monotonicMs() < deadlineMs) await new Promise<void>((resolve) => clock.after(lookEveryMs, resolve));
}
