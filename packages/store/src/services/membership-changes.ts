// Changing who is a member, with the checks that keep a change from costing the quorum.
//
// Not:   what a committed change does to the records (core/membership), how members agree on it (raft).
// G1. Checks come in upstream's order, so that the same mistake gets the same answer.
// G2. What cannot change between proposal and commit is checked here; what can is checked by every member when it applies the entry.
// Source: etcd server/etcdserver/server.go (AddMember, RemoveMember, UpdateMember, PromoteMember).
import { createHash } from "node:crypto";
import type { Clock, Logger } from "@lenj/base";
import type { ConfChangeType } from "@lenj/raft";
import { isStoreError, StoreError, type StoreErrorCode } from "../core/errors.js";
import type { MemberRecord } from "../core/membership.js";
import type { Replica } from "../replica/replica.js";

/** Connections younger than this may be flapping. Upstream: HealthInterval. */
const healthyAfterMs = 5_000;
/** How much of the leader's log a learner must have. */
const readyShare = 0.9;
const leaderWaitMs = 50;
/** Answers of the leader to a promotion that asking again would not change. */
const finalAnswers: readonly StoreErrorCode[] = [
  "LEARNER_NOT_READY",
  "MEMBER_NOT_FOUND",
  "MEMBER_NOT_LEARNER",
  "NOT_ENOUGH_STARTED_MEMBERS",
  "STOPPED",
];

/** Asks the leader; see proto/raft. Rejects with what it answered, or with something else when it did not. */
export interface PromotionForwarder {
  promoteAt(leaderID: bigint, id: bigint): Promise<void>;
}

export interface MembershipChangesOptions {
  readonly replica: Replica;
  readonly forwarder: PromotionForwarder;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Refuses what would cost the quorum. */
  readonly isStrict: boolean;
  readonly learnersMax: number;
}

export class MembershipChanges {
  /** Learners that this member made voters, as leader. */
  promotedCount = 0;

  constructor(private readonly options: MembershipChangesOptions) {}

  /** Resolves with the new member once it is one. */
  async add(peerURLs: readonly string[], isLearner: boolean): Promise<MemberRecord> {
    const { replica, clock } = this.options;
    const id = memberIDOf(peerURLs, String(Math.floor(clock.wallMs() / 1_000)));
    if (this.options.isStrict) this.#checkAdd(isLearner);
    const member = { id, peerUrls: [...peerURLs].sort(), name: "", clientUrls: [], isLearner };
    await this.#propose(isLearner ? "addLearner" : "addVoter", id, { member });
    return replica.state.members.get(id) ?? member;
  }

  async remove(id: bigint): Promise<void> {
    if (this.options.isStrict) this.#checkRemove(id);
    await this.#propose("remove", id, {});
  }

  async update(id: bigint, peerURLs: readonly string[]): Promise<void> {
    // Only the addresses count; the rest of the record stays as it is when this is applied.
    const member = { id, peerUrls: [...peerURLs], name: "", clientUrls: [], isLearner: false };
    await this.#propose("update", id, { member });
  }

  /** Only the leader knows how far a learner is: it is asked, again after a change of leader, until the request's time is up. */
  async promote(id: bigint): Promise<void> {
    const { replica, forwarder, clock } = this.options;
    const deadlineMs = clock.monotonicMs() + replica.requestTimeoutMs;
    for (;;) {
      const { leaderID } = replica;
      try {
        if (replica.isLeader) return await this.promoteHere(id);
        if (leaderID !== 0n) {
          await forwarder.promoteAt(leaderID, id);
          // The answer lists the members as this one knows them: it is to know.
          return await replica.linearizable();
        }
      } catch (error) {
        if (isStoreError(error) && finalAnswers.includes(error.code)) throw error;
        this.options.logger.debug("Promotion not accepted yet", { error });
      }
      if (clock.monotonicMs() >= deadlineMs) throw new StoreError("TIMEOUT");
      await new Promise<void>((resolve) => clock.after(leaderWaitMs, resolve));
    }
  }

  /** On the leader. Rejects with NOT_LEADER elsewhere. */
  async promoteHere(id: bigint): Promise<void> {
    const { replica, isStrict } = this.options;
    if (!replica.isLeader) throw new StoreError("NOT_LEADER");
    const { progress, stableIndex } = replica.node.status();
    const match = id === replica.config.memberID ? stableIndex : progress.get(id)?.match;
    if (match === undefined) throw new StoreError("MEMBER_NOT_FOUND");
    if (match < stableIndex * readyShare) throw new StoreError("LEARNER_NOT_READY");
    if (isStrict && !replica.state.members.isQuorumStarted({ promoted: id }))
      throw this.#refusal("NOT_ENOUGH_STARTED_MEMBERS", "promote", id);
    const member = { id, peerUrls: [], name: "", clientUrls: [], isLearner: false };
    await this.#propose("addVoter", id, { member, promote: true });
    this.promotedCount += 1;
  }

  #checkAdd(isLearner: boolean): void {
    const { members } = this.options.replica.state;
    if (!isLearner && !members.isQuorumStarted({ isAdding: true })) throw this.#refusal("NOT_ENOUGH_STARTED_MEMBERS", "add");
    const voters = members.voters();
    // The new member counts as one that is not there.
    if (voters.length > 1 && this.#connected(voters) < quorum(voters.length + 1)) throw this.#refusal("UNHEALTHY_CLUSTER", "add");
  }

  #checkRemove(id: bigint): void {
    const { replica } = this.options;
    const { members } = replica.state;
    if (members.get(id)?.isLearner === true) return;
    if (!members.isQuorumStarted({ removed: id })) throw this.#refusal("NOT_ENOUGH_STARTED_MEMBERS", "remove", id);
    // One that is down is not part of what works now.
    if (id !== replica.config.memberID && replica.connectedForMs(id) === undefined) return;
    const voters = members.voters();
    if (this.#connected(voters) - 1 < quorum(voters.length - 1)) throw this.#refusal("UNHEALTHY_CLUSTER", "remove", id);
  }

  /** How many of these this member has been connected to for a while, itself included. */
  #connected(members: readonly MemberRecord[]): number {
    const { replica } = this.options;
    return members.filter(({ id }) => id === replica.config.memberID || (replica.connectedForMs(id) ?? 0) > healthyAfterMs).length;
  }

  #propose(type: ConfChangeType, id: bigint, change: { readonly member?: MemberRecord; readonly promote?: boolean }): Promise<unknown> {
    const { replica, learnersMax } = this.options;
    const context = { member: change.member, promote: change.promote ?? false, learnersMax };
    return replica.proposeMembership([{ type, memberID: id }], context);
  }

  #refusal(code: StoreErrorCode, change: string, id = 0n): StoreError {
    const error = new StoreError(code);
    this.options.logger.warn("Refused membership change", { change, memberID: id.toString(16), reason: error.message });
    return error;
  }
}

const quorum = (voters: number): number => Math.floor(voters / 2) + 1;

/** A member's identity: the first eight bytes of a hash over its peer URLs and a salt (the cluster's token, or the time it was added). */
export function memberIDOf(peerURLs: readonly string[], salt: string): bigint {
  return createHash("sha1")
    .update([...peerURLs].sort().join(""))
    .update(salt)
    .digest()
    .readBigUInt64BE();
}
