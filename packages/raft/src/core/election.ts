import { invariant } from "@lenj/base";
import { voterIDs } from "../confchange/membership.js";
import { quorumVote } from "../quorum/joint.js";
import type { LogIndex, MemberID, Term, VoteMessage, VoteRespMessage } from "../types.js";
import { noMember } from "../types.js";
import type { RaftCore } from "./raft-core.js";
import type { CandidateRole } from "./role.js";

export type CampaignKind = "preElection" | "election" | "transfer";

const scanBytes = 4 * 1024 * 1024;

/** Starts an election, unless this member may not win one now. */
export function maybeCampaign(core: RaftCore, kind: CampaignKind): void {
  if (core.role.name === "leader" || !core.isPromotable || hasUnappliedConfChange(core)) return;
  campaign(core, kind);
}

/** §5.2: becomes (pre-)candidate and asks all voters. */
function campaign(core: RaftCore, kind: CampaignKind): void {
  const isPre = kind === "preElection";
  if (isPre) core.transitionToPreCandidate();
  else core.transitionToCandidate();
  const term = isPre ? core.term + 1 : core.term;
  const index = core.log.lastIndex();
  const logTerm = core.log.lastTerm();
  for (const to of voterIDs(core.membership)) {
    if (to === core.id) continue;
    const type = isPre ? "preVote" : "vote";
    const message: VoteMessage = { type, from: core.id, to, term, index, logTerm, transfer: kind === "transfer", ...commitNews(core) };
    if (isPre) core.send(message);
    else core.sendAfterPersist(message);
  }
  // A pre-vote promises nothing; the vote for itself counts when durable (R5), see onOwnVotePersisted.
  if (isPre) onVote(core, core.id, true);
}

/** The candidate's own vote is durable. */
export function onOwnVotePersisted(core: RaftCore): void {
  core.unpersistedVoteTerm = 0;
  if (core.role.name === "candidate") onVote(core, core.id, true);
}

/** Counts one answer; the first of each member stands. */
export function onVote(core: RaftCore, from: MemberID, granted: boolean): void {
  const role = core.role;
  invariant(role.name === "preCandidate" || role.name === "candidate", () => `vote counted by a ${role.name}`);
  if (!role.votes.has(from)) role.votes.set(from, granted);
  concludeElection(core, role);
}

function concludeElection(core: RaftCore, role: CandidateRole): void {
  const result = quorumVote(core.membership, role.votes);
  if (result === "pending") return;
  if (result === "lost") core.transitionToFollower(core.term, noMember);
  else if (role.name === "preCandidate") campaign(core, "election");
  else core.transitionToLeader();
}

/** Answers a request for a vote whose term has been dealt with: equal to ours, or ahead of it for a pre-vote. */
export function onVoteRequest(core: RaftCore, message: VoteMessage): void {
  const { type, from, term } = message;
  const isPre = type === "preVote";
  const isFree = core.vote === from || (core.vote === noMember && core.leaderID === noMember) || (isPre && term > core.term);
  // Learners answer too: they may have been promoted without knowing it yet.
  const granted = isFree && core.rules.mayVoteFor(core.log.isUpToDate(message.index, message.logTerm));
  const answer: VoteRespMessage = {
    type: isPre ? "preVoteResp" : "voteResp",
    from: core.id,
    to: from,
    // A granted pre-vote speaks of the term asked for; a refusal tells ours, so that a member left behind catches up.
    term: granted ? term : core.term,
    reject: !granted,
    ...commitNews(core),
  };
  if (granted && !isPre) {
    core.resetElectionTimer();
    core.vote = from;
  }
  core.sendAfterPersist(answer);
}

/**
 * Takes over what the sender of a vote message knows to be committed, if this log has that entry too (then all before it match as well).
 * Without it an election may be impossible: a membership change that only some have seen committed leaves the others asking members for
 * votes who are no longer in it and whose logs are longer. Source: raft-rs, maybe_commit_by_vote.
 */
export function maybeCommitByVote(core: RaftCore, news: { readonly commit: LogIndex; readonly commitTerm: Term }): void {
  const { log } = core;
  if (
    core.role.name === "leader" ||
    news.commitTerm === 0 ||
    news.commit <= log.committed ||
    !log.matchesTerm(news.commit, news.commitTerm)
  )
    return;
  log.commitTo(news.commit);
  // What it campaigned with may have been the wrong membership.
  if (core.role.name !== "follower" && hasUnappliedConfChange(core)) core.transitionToFollower(core.term, noMember);
}

export function commitNews(core: RaftCore): { commit: LogIndex; commitTerm: Term } {
  const { committed } = core.log;
  const commitTerm = core.log.term(committed) ?? 0;
  return commitTerm === 0 ? { commit: 0, commitTerm: 0 } : { commit: committed, commitTerm };
}

/** A member that has not applied a committed membership change does not know who votes. */
function hasUnappliedConfChange(core: RaftCore): boolean {
  const { log } = core;
  let low: LogIndex = Math.max(log.applied + 1, log.firstIndex());
  while (low <= log.committed) {
    const entries = log.slice(low, log.committed + 1, scanBytes);
    if (entries.some((entry) => entry.type === "confChange")) return true;
    low += entries.length;
  }
  return false;
}
