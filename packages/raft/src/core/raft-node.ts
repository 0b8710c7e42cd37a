// The door to the core: one member's consensus, synchronous and without I/O.
//
// The embedder calls `tick` at a fixed pace and `step` for each message received, and after any call processes `ready()` while
// `hasReady()`. Reentrancy: nothing here calls back into the embedder except storage, random and logger.

import { invariant } from "@lenj/base";
import { encodeConfChange } from "../confchange/codec.js";
import { isVoter } from "../confchange/membership.js";
import {
  type ConfChange,
  type ConfState,
  type Entry,
  type LogIndex,
  type MemberID,
  type Message,
  noMember,
  type ProgressStatus,
  type ProposeOutcome,
  type RaftConfig,
  type RaftStatus,
  type ReadIndexOutcome,
  type Ready,
} from "../types.js";
import { resolveConfig } from "./config.js";
import { maybeCampaign, onOwnVotePersisted } from "./election.js";
import { onLeaderGone } from "./leader-gone.js";
import { keepsLeasePromise } from "./leader-lease.js";
import { admitConfChange, applyConfChange, maybeLeaveJoint, restoreMembership } from "./membership.js";
import { RaftCore } from "./raft-core.js";
import { onReadRequest } from "./read-index.js";
import { ReadyQueue } from "./ready-queue.js";
import { flushLeader, maybeCommit } from "./replication.js";
import { raftRules, type SafetyRules } from "./safety-rules.js";
import { step } from "./step.js";
import { forward } from "./step-follower.js";
import { proposeAsLeader, startTransfer } from "./step-leader.js";
import { tick } from "./tick.js";

/**
 * One member. A new member of a running cluster starts with an empty storage whose confState is empty, and is added by a membership change
 * of that cluster; the first members of a new cluster all start with the same {@link bootstrapLog}.
 * See {@link Ready} for the order of persisting, sending and applying. Upstream: raft.RawNode.
 */
export class RaftNode {
  readonly #core: RaftCore;
  readonly #readies: ReadyQueue;

  /** Throws RaftError CONFIG_INVALID. `rules` is for tests that plant bugs (see SafetyRules). */
  constructor(config: RaftConfig, rules: SafetyRules = raftRules) {
    this.#core = new RaftCore(resolveConfig(config), rules);
    this.#readies = new ReadyQueue(this.#core, config.storage.initialState().hardState);
  }

  get id(): MemberID {
    return this.#core.id;
  }

  /** Advances logical time by one tick (etcd: its heartbeat interval, 100 ms). */
  tick(): void {
    tick(this.#core, this.#readies.oldestWriteTicks(this.#core.ticks + 1));
  }

  /** Starts an election now, pre-vote first when configured. Nothing happens on a leader, on a member that may not lead, or with "leaseBased" reads while a leader may hold a lease. */
  campaign(): void {
    const { config } = this.#core;
    if (config.readOnly === "leaseBased" && keepsLeasePromise(this.#core)) return;
    maybeCampaign(this.#core, config.preVote ? "preElection" : "election");
  }

  /** Handles a message of another member. One addressed to somebody else is ignored. */
  step(message: Message): void {
    if (message.to !== this.#core.id) {
      this.#core.config.logger.warn("Ignored raft message for another member", { type: message.type, to: message.to.toString() });
      return;
    }
    step(this.#core, message);
  }

  /** Asks to append `data`; on a follower it is forwarded to the leader. */
  propose(data: Uint8Array): ProposeOutcome {
    return this.#propose({ term: 0, index: 0, type: "normal", data });
  }

  /**
   * Asks for a membership change. The leader refuses it ("confChangeRefused") while another is not applied, or when it does not fit a joint
   * configuration; a forwarded one that is refused there becomes an empty entry.
   */
  proposeConfChange(change: ConfChange): ProposeOutcome {
    return this.#propose({ term: 0, index: 0, type: "confChange", data: encodeConfChange(change) });
  }

  /**
   * Takes a committed membership change into effect. Call it for each "confChange" entry when applying it, unless the embedder turns the
   * change down. Throws RaftError CONF_CHANGE_INVALID, and changes nothing, when it does not fit the current membership.
   */
  applyConfChange(change: ConfChange): ConfState {
    return applyConfChange(this.#core, change);
  }

  /** Asks for a linearizable read point; the answer is a ReadState with this `context`, to be unique per member, also across its restarts. */
  readIndex(context: Uint8Array): ReadIndexOutcome {
    const core = this.#core;
    if (core.role.name === "leader") return onReadRequest(core, core.role, { from: core.id, context });
    if (core.role.name !== "follower" || core.role.leaderID === noMember) return "noLeader";
    core.send({ type: "readIndex", from: core.id, to: core.role.leaderID, term: 0, context });
    return "accepted";
  }

  /** Asks the leader to hand leadership to `to`. Given up silently after an election timeout; see `status()`. */
  transferLeadership(to: MemberID): void {
    const core = this.#core;
    if (core.role.name === "leader") startTransfer(core, core.role, to);
    else if (core.role.name === "follower") {
      forward(core, core.role, { type: "transferLeader", from: core.id, to: noMember, term: core.term, transferee: to });
    }
  }

  /** The transport could not deliver to `id` lately: stop sending ahead to it. */
  reportUnreachable(id: MemberID): void {
    const { role } = this.#core;
    const progress = role.name === "leader" ? role.progress.get(id) : undefined;
    if (progress?.state === "replicate") progress.transitionToProbe();
  }

  /**
   * The transport was told that nobody listens at `id`'s address any more, where it had been connected before. Should it be wrong, no harm is
   * done: the leader's next message makes up for it, and the others do not help to unseat a leader that they hear.
   */
  reportGone(id: MemberID): void {
    onLeaderGone(this.#core, id);
  }

  /** Outcome of carrying the snapshot of a "snap" message to `id`. Until it is reported, or `id` answers, that member gets no entries. */
  reportSnapshot(id: MemberID, ok: boolean): void {
    const { role } = this.#core;
    const progress = role.name === "leader" ? role.progress.get(id) : undefined;
    if (progress?.state !== "snapshot") return;
    if (!ok) progress.pendingSnapshot = 0;
    progress.transitionToProbe();
    // Arrived: its answer tells more. Failed: not before the next heartbeat is answered.
    progress.isFlowPaused = true;
  }

  /** Makes a follower forget its leader, without changing the term, so that it may grant a vote before the leader's lease is over. */
  forgetLeader(): void {
    const { role, config } = this.#core;
    if (role.name === "follower" && config.readOnly !== "leaseBased") role.leaderID = noMember;
  }

  hasReady(): boolean {
    this.#flush();
    return this.#readies.hasNext(this.#core);
  }

  /** Hands out what is new since the last call, which may be nothing. Does not wait for earlier ones to be acknowledged. */
  ready(): Ready {
    this.#flush();
    return this.#readies.take(this.#core);
  }

  /** `ready` and all before it are durable, and its snapshot, if any, is in the state machine. */
  onPersisted(ready: Ready): void {
    const core = this.#core;
    const ownVoteTerm = this.#readies.onPersisted(ready.number);
    const restored = core.log.onPersisted(ready.number);
    if (restored !== undefined) restoreMembership(core, restored.metadata.confState);
    if (ownVoteTerm > 0 && ownVoteTerm === core.unpersistedVoteTerm) onOwnVotePersisted(core);
    if (core.role.name === "leader") maybeCommit(core, core.role);
  }

  /** The state machine has applied everything through `index`. */
  onApplied(index: LogIndex): void {
    const { log, role } = this.#core;
    const bytes = log.appliedTo(index);
    if (role.name !== "leader") return;
    // Saturates: entries of an earlier leader were never counted.
    role.uncommittedBytes = Math.max(0, role.uncommittedBytes - bytes);
    maybeLeaveJoint(this.#core, role);
  }

  /** All of `ready` is durable and its committed entries are applied: the simple way for embedders that do one Ready at a time. */
  advance(ready: Ready): void {
    this.onPersisted(ready);
    const last = ready.committedEntries.at(-1);
    if (last !== undefined) this.onApplied(last.index);
  }

  status(): RaftStatus {
    const { id, term, vote, log, role, membership, leaderID } = this.#core;
    const progress = new Map<MemberID, ProgressStatus>();
    if (role.name === "leader") {
      for (const each of role.progress.values()) progress.set(each.id, each.status(!isVoter(membership, each.id)));
    }
    return {
      id,
      term,
      vote,
      commit: log.committed,
      leaderID,
      role: role.name,
      applied: log.applied,
      firstIndex: log.firstIndex(),
      lastIndex: log.lastIndex(),
      stableIndex: log.stableIndex(),
      confState: membership,
      transferee: role.name === "leader" ? role.transferee : noMember,
      uncommittedBytes: role.name === "leader" ? role.uncommittedBytes : 0,
      progress,
    };
  }

  #propose(entry: Entry): ProposeOutcome {
    const core = this.#core;
    const { role } = core;
    if (role.name === "leader") return this.#proposeAsLeader(entry);
    if (role.name !== "follower" || role.leaderID === noMember || core.config.disableProposalForwarding) return "noLeader";
    core.send({ type: "prop", from: core.id, to: role.leaderID, term: 0, entries: [entry] });
    return "forwarded";
  }

  #proposeAsLeader(entry: Entry): ProposeOutcome {
    const core = this.#core;
    const { role } = core;
    invariant(role.name === "leader", () => `proposed as ${role.name}`);
    const before = role.pendingConfIndex;
    if (entry.type === "confChange" && !admitConfChange(core, role, entry, core.log.lastIndex() + 1)) return "confChangeRefused";
    const outcome = proposeAsLeader(core, role, [entry]);
    if (outcome !== "appended") role.pendingConfIndex = before;
    return outcome;
  }

  #flush(): void {
    const core = this.#core;
    if (core.role.name === "leader") flushLeader(core, core.role);
  }
}
