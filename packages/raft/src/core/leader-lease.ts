// How long a leader may take it that nobody else leads, for reads without a round of heartbeats (`readOnly: "leaseBased"`).
//
// A member that hears a heartbeat helps nobody else to lead for an election timeout. So once a quorum has answered a round of heartbeats,
// the leader holds a lease of somewhat less than that, counted from when the round was sent.
//
// E1. The lease ends a quarter before the promise of its quorum: ticks may be off by one, and clocks run at somewhat different rates.
// E2. Who may campaign before that, because the leader asked for it, ends lease reads for the rest of the term.
// E3. A member that has just started may have made the promise and forgotten it: it keeps it anyway (see step.ts).
// Source: thesis §6.4.1. Upstream answers lease reads as long as check quorum lets the leader be, up to two election timeouts.

import { quorumReached } from "../quorum/joint.js";
import { noMember } from "../types.js";
import type { RaftCore } from "./raft-core.js";
import type { LeaderRole } from "./role.js";

export class LeaderLease {
  /** Rounds of which the lease may still be alive, oldest first. */
  #sent: { readonly round: number; readonly tick: number }[] = [];
  /** Somebody was told to campaign (E2). */
  isOffered = false;

  /** A round of heartbeats leaves at `tick`; `ticks` is how long a lease lasts. */
  onRoundSent(round: number, tick: number, ticks: number): void {
    this.#sent = this.#sent.filter((each) => tick - each.tick < ticks);
    this.#sent.push({ round, tick });
  }

  /** Whether `confirmed`, the newest round that a quorum has answered, was sent less than `ticks` ago. */
  isHeld(confirmed: number, tick: number, ticks: number): boolean {
    return !this.isOffered && this.#sent.some((each) => each.round <= confirmed && each.round > 0 && tick - each.tick < ticks);
  }
}

const leaseTicks = (core: RaftCore): number => (core.config.electionTicks * 3) >> 2;

export function noteRoundForLease(core: RaftCore, role: LeaderRole, round: number): void {
  role.lease.onRoundSent(round, core.ticks, leaseTicks(core));
}

/** The leader may answer reads now without asking. */
export function hasLeaderLease(core: RaftCore, role: LeaderRole): boolean {
  if (core.config.readOnly !== "leaseBased") return false;
  const confirmed = quorumReached(core.membership, (id) =>
    id === core.id ? Number.MAX_SAFE_INTEGER : (role.progress.get(id)?.ackedRound ?? 0),
  );
  return role.lease.isHeld(confirmed, core.ticks, leaseTicks(core));
}

/** A member that promised a leader, perhaps before it restarted (E3), not to help anybody else yet. */
export function keepsLeasePromise(core: RaftCore): boolean {
  const { checkQuorum, readOnly, electionTicks } = core.config;
  if (readOnly === "leaseBased" && core.ticks < electionTicks) return true;
  return checkQuorum && core.leaderID !== noMember && core.electionElapsedTicks < electionTicks;
}
