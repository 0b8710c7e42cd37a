// One member's Raft state and its changes of role. Messages are handled in step*.ts, replication in replication.ts.
//
// Owns:  term, vote, role, membership in effect, the log's cursors, outgoing messages.
// Not:   when things become durable or sent (the embedder, told by Ready), the state machine.
// R1. Term never decreases, and a member votes at most once per term, for itself when it is a candidate.
// R2. A leader never truncates its own log; it only appends (Leader Append-Only).
// R3. A leader counts replicas only for entries of its own term; earlier ones commit with them (§5.4.2, thesis §3.6.2).
// R4. What vouches for durable state (appResp, voteResp, vote) leaves only after that state is durable. Asking for votes is among them:
//     a member that forgot its term could lead it twice.
// R5. A leader's own log and a candidate's own vote count towards a quorum only once durable.
// R6. While it leads, a member that has not committed in its term answers no reads (§8).
// Source: Raft (Ongaro, Ousterhout 2014) and thesis; structure follows go.etcd.io/raft/v3/raft.go.

import { invariant, type Logger, type Random } from "@lenj/base";
import { checkMembership } from "../confchange/changer.js";
import { isVoter, memberIDs, normalizeMembership, voterIDs } from "../confchange/membership.js";
import { RaftLog } from "../log/raft-log.js";
import { Progress } from "../tracker/progress.js";
import { type ConfState, type MemberID, type Message, noMember, type ReadState, type Role, type Term } from "../types.js";
import type { ResolvedConfig } from "./config.js";
import { HeldProposals } from "./held-proposals.js";
import { LeaderLease } from "./leader-lease.js";
import { ReadQueue } from "./read-queue.js";
import type { LeaderRole, RoleState } from "./role.js";
import type { SafetyRules } from "./safety-rules.js";

const noData = new Uint8Array(0);

export class RaftCore {
  readonly id: MemberID;
  readonly log: RaftLog;
  readonly #random: Random;
  readonly #logger: Logger;
  term: Term;
  vote: MemberID;
  role: RoleState = { name: "follower", leaderID: noMember };
  membership: ConfState;
  /** Ticks since the last sign of a leader; on a leader, since the last check of its quorum. */
  electionElapsedTicks = 0;
  randomizedElectionTicks = 0;
  /** On the clock of `ticks`: when to campaign even if the wait is not over. */
  campaignAtTick = Number.POSITIVE_INFINITY;
  /** Ticks since the start, for the age of writes. */
  ticks = 0;
  messages: Message[] = [];
  messagesAfterPersist: Message[] = [];
  readStates: ReadState[] = [];
  readonly heldProposals: HeldProposals;
  /** Term whose own vote is not durable yet; 0 for none. */
  unpersistedVoteTerm: Term = 0;

  constructor(
    readonly config: ResolvedConfig,
    readonly rules: SafetyRules,
  ) {
    const { hardState, confState } = config.storage.initialState();
    this.id = config.id;
    this.heldProposals = new HeldProposals(2 * config.electionTicks);
    this.#random = config.random;
    this.#logger = config.logger;
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.membership = normalizeMembership(confState);
    checkMembership(this.membership);
    this.log = new RaftLog(config.storage, {
      committed: hardState.commit,
      applied: config.applied,
      maxApplyingBytes: config.maxApplyingEntriesBytes,
    });
    this.resetElectionTimer();
  }

  get leaderID(): MemberID {
    if (this.role.name === "follower") return this.role.leaderID;
    return this.role.name === "leader" ? this.id : noMember;
  }

  /** May campaign: votes, and its state machine is not about to be replaced. */
  get isPromotable(): boolean {
    return isVoter(this.membership, this.id) && this.log.unstable.snapshot === undefined;
  }

  get isOnlyVoter(): boolean {
    const voters = voterIDs(this.membership);
    return voters.length === 1 && voters[0] === this.id;
  }

  get isPastElectionTimeout(): boolean {
    return this.electionElapsedTicks >= this.randomizedElectionTicks || this.ticks >= this.campaignAtTick;
  }

  send(message: Message): void {
    invariant(message.to !== this.id && message.to !== noMember, () => `${message.type} addressed to ${message.to}`);
    this.messages.push(message);
  }

  sendAfterPersist(message: Message): void {
    invariant(message.to !== this.id && message.to !== noMember, () => `${message.type} addressed to ${message.to}`);
    this.messagesAfterPersist.push(message);
  }

  /** The wait that was drawn last begins again. */
  restartElectionTimer(): void {
    this.electionElapsedTicks = 0;
    this.campaignAtTick = Number.POSITIVE_INFINITY;
  }

  /** Each wait is drawn anew, so that members seldom campaign together (§5.2). */
  resetElectionTimer(): void {
    this.restartElectionTimer();
    this.randomizedElectionTicks = this.config.electionTicks + this.#random.below(this.config.electionTicks);
  }

  transitionToFollower(term: Term, leaderID: MemberID): void {
    const before = this.role.name;
    this.#enterTerm(term);
    this.resetElectionTimer();
    this.role = { name: "follower", leaderID };
    this.#logTransition(before);
  }

  /**
   * Takes over a newer term that a campaign of somebody else began. The wait for one's own campaign goes on: only a leader's message or a
   * granted vote starts it anew (§5.2, rules for servers). Else a member that cannot win but is quick to ask, without pre-vote, keeps the
   * only one that can win from ever asking. Upstream starts the wait anew.
   */
  observeTerm(term: Term): void {
    const before = this.role.name;
    this.#enterTerm(term);
    // A leader's counter is not a wait.
    if (before === "leader") this.resetElectionTimer();
    this.role = { name: "follower", leaderID: noMember };
    this.#logTransition(before);
  }

  /** Asks around without touching term or vote (thesis §9.6). Answers may still come from voters of a live leader: they refuse. */
  transitionToPreCandidate(): void {
    const before = this.role.name;
    invariant(before !== "leader", () => "leader cannot become pre-candidate");
    this.resetElectionTimer();
    this.role = { name: "preCandidate", votes: new Map() };
    this.#logTransition(before);
  }

  transitionToCandidate(): void {
    const before = this.role.name;
    invariant(before !== "leader", () => "leader cannot become candidate");
    this.#enterTerm(this.term + 1);
    this.resetElectionTimer();
    this.vote = this.id;
    this.unpersistedVoteTerm = this.term;
    this.role = { name: "candidate", votes: new Map() };
    this.#logTransition(before);
  }

  transitionToLeader(): void {
    const before = this.role.name;
    invariant(before === "candidate", () => `cannot lead from ${before}`);
    this.#enterTerm(this.term);
    this.resetElectionTimer();
    const progress = new Map<MemberID, Progress>();
    const role: LeaderRole = {
      name: "leader",
      progress,
      reads: new ReadQueue(),
      lease: new LeaderLease(),
      heartbeatElapsedTicks: 0,
      transferee: noMember,
      // Whatever an earlier leader left in the log may hold a membership change; scanning for it would be slow.
      pendingConfIndex: this.log.lastIndex(),
      uncommittedBytes: 0,
      isBroadcastDue: false,
    };
    this.role = role;
    this.trackMembers(role, false);
    this.#logTransition(before);
    // §8: an entry of its own term, without which it could not commit what it inherited. Free of charge, so it is never refused.
    const index = this.log.lastIndex() + 1;
    this.log.append([{ term: this.term, index, type: "normal", data: noData }]);
    role.isBroadcastDue = true;
  }

  /** Makes a leader's tracking fit the membership. `recentActive`: give members that are new the benefit of the doubt. */
  trackMembers(role: LeaderRole, recentActive: boolean): void {
    const previous = new Map(role.progress);
    role.progress.clear();
    const { maxInflightMessages, maxInflightBytes } = this.config;
    for (const id of memberIDs(this.membership)) {
      if (id === this.id) continue;
      const next = this.log.lastIndex() + 1;
      role.progress.set(id, previous.get(id) ?? new Progress(id, { next, recentActive, maxInflightMessages, maxInflightBytes }));
    }
  }

  #enterTerm(term: Term): void {
    invariant(term >= this.term, () => `R1: term would go back from ${this.term} to ${term}`);
    if (term !== this.term) {
      this.term = term;
      this.vote = noMember;
    }
    this.unpersistedVoteTerm = 0;
  }

  #logTransition(before: Role): void {
    if (before === this.role.name && before === "follower") return;
    this.#logger.info("Changed raft role", { member: this.id.toString(), before, role: this.role.name, term: this.term });
  }
}
