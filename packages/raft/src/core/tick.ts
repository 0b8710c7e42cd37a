import { voterIDs } from "../confchange/membership.js";
import { majorityVote } from "../quorum/majority.js";
import { type MemberID, noMember } from "../types.js";
import { maybeCampaign } from "./election.js";
import { maybeLeaveJoint } from "./membership.js";
import type { RaftCore } from "./raft-core.js";
import { bestVoter, sendHeartbeats } from "./replication.js";
import type { LeaderRole } from "./role.js";
import { startTransfer, takeHeldProposals } from "./step-leader.js";

/** One tick of logical time. `oldestWriteTicks`: age of the oldest write that is not durable yet. */
export function tick(core: RaftCore, oldestWriteTicks: number): void {
  core.ticks += 1;
  core.electionElapsedTicks += 1;
  if (core.role.name === "leader") {
    tickLeader(core, core.role, oldestWriteTicks);
  } else if (core.isPromotable && core.isPastElectionTimeout) {
    core.restartElectionTimer();
    maybeCampaign(core, core.config.preVote ? "preElection" : "election");
  }
}

function tickLeader(core: RaftCore, role: LeaderRole, oldestWriteTicks: number): void {
  role.heartbeatElapsedTicks += 1;
  if (core.electionElapsedTicks >= core.config.electionTicks) {
    core.electionElapsedTicks = 0;
    if (core.config.checkQuorum && !checkQuorum(core, role)) return;
    // A transfer that took an election timeout has failed; proposals are taken again.
    role.transferee = noMember;
  }
  if (!checkDisk(core, role, oldestWriteTicks)) return;
  takeHeldProposals(core, role);
  maybeLeaveJoint(core, role);
  if (role.heartbeatElapsedTicks >= core.config.heartbeatTicks) {
    role.heartbeatElapsedTicks = 0;
    sendHeartbeats(core, role);
  }
}

/** Thesis §6.2: a leader that has not heard from a quorum for an election timeout stops leading. */
function checkQuorum(core: RaftCore, role: LeaderRole): boolean {
  const active = new Map<MemberID, boolean>([[core.id, true]]);
  for (const progress of role.progress.values()) {
    active.set(progress.id, progress.recentActive);
    progress.recentActive = false;
  }
  const { voters, votersOutgoing } = core.membership;
  if (majorityVote(voters, active) === "won" && majorityVote(votersOutgoing, active) === "won") return true;
  core.config.logger.warn("Stepping down: no quorum heard", { member: core.id.toString(), term: core.term });
  core.transitionToFollower(core.term, noMember);
  return false;
}

/**
 * A leader whose disk hangs would keep its followers content with heartbeats and commit little or nothing. It hands over to the member
 * that is furthest, and if that does not come off in as much time again, just stops leading. No upstream counterpart.
 */
function checkDisk(core: RaftCore, role: LeaderRole, oldestWriteTicks: number): boolean {
  const limit = core.config.persistStallTicks;
  if (limit === 0 || oldestWriteTicks < limit || voterIDs(core.membership).length < 2) return true;
  if (oldestWriteTicks >= 2 * limit) {
    core.config.logger.warn("Stepping down: own writes do not become durable", { member: core.id.toString(), ticks: oldestWriteTicks });
    core.transitionToFollower(core.term, noMember);
    return false;
  }
  if (role.transferee !== noMember) return true;
  const heir = bestVoter(core, role);
  if (heir !== noMember) startTransfer(core, role, heir);
  return true;
}
