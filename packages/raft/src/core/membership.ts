// Membership changes: who may propose one, and what taking one into effect does to a leader.
//
// C1. At most one change is in the log unapplied: a leader appends none before it has applied through pendingConfIndex.
// C2. A change takes effect when applied, not when appended (as in etcd; safe because of C1).
// C3. A joint configuration with autoLeave is left by the leader on its own once entering it is applied.
// Source: thesis §4; go.etcd.io/raft/v3.

import { isLeaveJoint, planConfChange } from "../confchange/changer.js";
import { decodeConfChange, encodeConfChange, leaveJoint } from "../confchange/codec.js";
import { isJoint, isVoter, normalizeMembership } from "../confchange/membership.js";
import { type ConfChange, type ConfState, type Entry, type LogIndex, noMember } from "../types.js";
import type { RaftCore } from "./raft-core.js";
import { releaseConfirmedReads } from "./read-index.js";
import { appendAsLeader, bestVoter, flushLeader, maybeCommit } from "./replication.js";
import type { LeaderRole } from "./role.js";

/** Whether the leader may append this change at `index`; if so no other is admitted until it is applied (C1). */
export function admitConfChange(core: RaftCore, role: LeaderRole, entry: Entry, index: LogIndex): boolean {
  let isLeave: boolean;
  try {
    isLeave = isLeaveJoint(decodeConfChange(entry.data));
  } catch (error) {
    core.config.logger.warn("Refused membership change that cannot be decoded", { member: core.id.toString(), error });
    return false;
  }
  const isPending = role.pendingConfIndex > core.log.applied;
  if (isPending || isJoint(core.membership) !== isLeave) {
    core.config.logger.info("Refused membership change", {
      member: core.id.toString(),
      isPending,
      isLeave,
      isJoint: isJoint(core.membership),
    });
    return false;
  }
  role.pendingConfIndex = index;
  return true;
}

/** Takes a committed change into effect. Throws RaftError CONF_CHANGE_INVALID and changes nothing when it does not fit. */
export function applyConfChange(core: RaftCore, change: ConfChange): ConfState {
  switchMembership(core, planConfChange(core.membership, change));
  return core.membership;
}

/**
 * A received snapshot's membership, once the state machine has it too: until then entries from before it may still be applied, their
 * changes to the membership of before. The member is a follower then, and cannot campaign with a snapshot on its way.
 */
export function restoreMembership(core: RaftCore, membership: ConfState): void {
  switchMembership(core, normalizeMembership(membership));
}

/** C3. Called whenever the applied index moved, and on ticks in case it could not be appended then. */
export function maybeLeaveJoint(core: RaftCore, role: LeaderRole): void {
  if (!core.membership.autoLeave || core.log.applied < role.pendingConfIndex || role.transferee !== noMember) return;
  const entry: Entry = { term: 0, index: 0, type: "confChange", data: encodeConfChange(leaveJoint) };
  appendAsLeader(core, role, [entry], 0);
  role.pendingConfIndex = core.log.lastIndex();
}

/** A leader outside the new membership tells everybody what is committed, the change above all, and has the next one start at once. */
function resign(core: RaftCore, role: LeaderRole): void {
  role.isBroadcastDue = true;
  flushLeader(core, role);
  const heir = bestVoter(core, role);
  if (heir !== noMember) core.send({ type: "timeoutNow", from: core.id, to: heir, term: core.term });
  core.transitionToFollower(core.term, noMember);
}

function switchMembership(core: RaftCore, membership: ConfState): void {
  core.membership = membership;
  core.config.logger.info("Switched membership", {
    member: core.id.toString(),
    voters: membership.voters.map(String),
    votersOutgoing: membership.votersOutgoing.map(String),
    learners: membership.learners.map(String),
  });
  const { role } = core;
  if (role.name !== "leader") return;
  if (!isVoter(membership, core.id) && core.config.stepDownOnRemoval) {
    resign(core, role);
    return;
  }
  core.trackMembers(role, true);
  // The new quorum may be smaller than the old one: what it has is committed, and reads it confirmed are answered.
  maybeCommit(core, role);
  releaseConfirmedReads(core, role);
  role.isBroadcastDue = true;
  if (role.transferee !== noMember && !membership.voters.includes(role.transferee)) role.transferee = noMember;
}
