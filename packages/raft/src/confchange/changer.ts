// Membership arithmetic: from a membership and a change to the next membership.
//
// M1. A simple change moves at most one voter, so that majorities before and after overlap.
// M2. Several at once pass through a joint configuration, which keeps the old voters as the outgoing half until it is left.
// M3. Nobody is voter and learner at once; a voter being demoted waits in learnersNext while its old vote still counts.
// M4. learnersNext and autoLeave are empty and false outside a joint configuration.
// Source: thesis §4.1-4.3; go.etcd.io/raft/v3/confchange.

import { invariant } from "@lenj/base";
import { RaftError } from "../errors.js";
import type { ConfChange, ConfChangeSingle, ConfState, MemberID } from "../types.js";
import { isJoint, normalizeMembership } from "./membership.js";

interface Draft {
  readonly voters: Set<MemberID>;
  readonly learners: Set<MemberID>;
  readonly votersOutgoing: Set<MemberID>;
  readonly learnersNext: Set<MemberID>;
  autoLeave: boolean;
}

/** Asks to leave a joint configuration: a change of nothing. */
export const isLeaveJoint = (change: ConfChange): boolean => change.changes.length === 0 && change.transition === "auto";

const needsJoint = (change: ConfChange): boolean => change.transition !== "auto" || change.changes.length > 1;

/** The membership after `change`. Throws RaftError CONF_CHANGE_INVALID when it cannot follow `current`. */
export function planConfChange(current: ConfState, change: ConfChange): ConfState {
  const draft: Draft = {
    voters: new Set(current.voters),
    learners: new Set(current.learners),
    votersOutgoing: new Set(current.votersOutgoing),
    learnersNext: new Set(current.learnersNext),
    autoLeave: current.autoLeave,
  };
  if (isLeaveJoint(change)) applyLeave(draft);
  else if (needsJoint(change)) applyEnter(draft, change);
  else applySimple(draft, change.changes);
  const next = normalizeMembership({
    voters: [...draft.voters],
    learners: [...draft.learners],
    votersOutgoing: [...draft.votersOutgoing],
    learnersNext: [...draft.learnersNext],
    autoLeave: draft.autoLeave,
  });
  checkMembership(next);
  return next;
}

/** Checks M3 and M4. */
export function checkMembership(membership: ConfState): void {
  for (const id of membership.learners) {
    invariant(!membership.voters.includes(id) && !membership.votersOutgoing.includes(id), () => `M3: ${id} is voter and learner`);
  }
  for (const id of membership.learnersNext) {
    invariant(
      membership.votersOutgoing.includes(id) && !membership.voters.includes(id),
      () => `M3: ${id} is to become a learner but is no outgoing voter`,
    );
  }
  invariant(
    isJoint(membership) || (membership.learnersNext.length === 0 && !membership.autoLeave),
    () => "M4: remains of a joint configuration",
  );
}

function applyEnter(draft: Draft, change: ConfChange): void {
  if (draft.votersOutgoing.size > 0) throw invalid("the configuration is already joint");
  if (draft.voters.size === 0) throw invalid("a configuration without voters cannot become joint");
  for (const id of draft.voters) draft.votersOutgoing.add(id);
  applySingles(draft, change.changes);
  draft.autoLeave = change.transition !== "jointExplicit";
}

function applyLeave(draft: Draft): void {
  if (draft.votersOutgoing.size === 0) throw invalid("the configuration is not joint");
  for (const id of draft.learnersNext) draft.learners.add(id);
  draft.learnersNext.clear();
  draft.votersOutgoing.clear();
  draft.autoLeave = false;
}

function applySimple(draft: Draft, changes: readonly ConfChangeSingle[]): void {
  if (draft.votersOutgoing.size > 0) throw invalid("a simple change cannot be applied to a joint configuration");
  applySingles(draft, changes);
}

function applySingles(draft: Draft, changes: readonly ConfChangeSingle[]): void {
  for (const { type, memberID } of changes) {
    if (memberID === 0n || type === "update") continue;
    if (type === "addVoter") addVoter(draft, memberID);
    else if (type === "addLearner") addLearner(draft, memberID);
    else remove(draft, memberID);
  }
  if (draft.voters.size === 0) throw invalid("it would remove all voters");
}

function addVoter(draft: Draft, id: MemberID): void {
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  draft.voters.add(id);
}

function addLearner(draft: Draft, id: MemberID): void {
  remove(draft, id);
  if (draft.votersOutgoing.has(id)) draft.learnersNext.add(id);
  else draft.learners.add(id);
}

function remove(draft: Draft, id: MemberID): void {
  draft.voters.delete(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
}

const invalid = (why: string): RaftError => new RaftError("CONF_CHANGE_INVALID", `Cannot apply membership change: ${why}`);
