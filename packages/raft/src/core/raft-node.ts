import type {
  ConfChange,
  ConfState,
  LogIndex,
  MemberID,
  Message,
  ProposeOutcome,
  RaftConfig,
  RaftStatus,
  ReadIndexOutcome,
  Ready,
} from "../types.js";

/**
 * One member's consensus, synchronous and without I/O. The embedder calls `tick` at a fixed pace and `step` for each message received,
 * and after any call processes `ready()` while `hasReady()` (see {@link Ready} for the order of persisting, sending and applying).
 *
 * A new member of a running cluster starts with an empty storage whose confState is empty and is added by a membership change of the
 * cluster; the first members of a new cluster all start with the same confState (their voters) in `initialState()`.
 */
export declare class RaftNode {
  /** Throws RaftError CONFIG_INVALID. */
  constructor(config: RaftConfig);
  readonly id: MemberID;
  /** Advances logical time by one tick (etcd: heartbeat interval, 100 ms). */
  tick(): void;
  /** Starts an election now, pre-vote first when configured. Nothing happens on a leader or on a member that may not lead. */
  campaign(): void;
  /** Handles a message of another member. */
  step(message: Message): void;
  /** Asks to append `data`; on a follower it is forwarded to the leader. */
  propose(data: Uint8Array): ProposeOutcome;
  /** Asks for a membership change. Refused on the leader ("confChangeRefused") while another is not applied, or when it does not fit a joint configuration. */
  proposeConfChange(change: ConfChange): ProposeOutcome;
  /** Takes a committed membership change into effect. Call once per "confChange" entry applied, unless the embedder turns that change down. Throws RaftError CONF_CHANGE_INVALID. */
  applyConfChange(change: ConfChange): ConfState;
  /** Asks for a linearizable read point; the answer is a ReadState with this `context`, which must be unique per member, also across its restarts. */
  readIndex(context: Uint8Array): ReadIndexOutcome;
  /** Asks the leader to hand leadership to `to`. Given up silently after an election timeout; ask `status()`. */
  transferLeadership(to: MemberID): void;
  /** The transport could not deliver to `id` lately. */
  reportUnreachable(id: MemberID): void;
  /** Outcome of sending the snapshot of a "snap" message to `id`; without it that member gets no more entries. */
  reportSnapshot(id: MemberID, ok: boolean): void;
  /** Drops the known leader without raising the term, so that a vote may be granted before the lease ends. Followers only. */
  forgetLeader(): void;
  hasReady(): boolean;
  /** Hands out what is new since the last call. Does not wait for earlier ones to be acknowledged. */
  ready(): Ready;
  /** `ready` and all before it are durable (and its snapshot is restored). In order of `ready.number`. */
  onPersisted(ready: Ready): void;
  /** The state machine has applied everything through `index`. */
  onApplied(index: LogIndex): void;
  /** `onPersisted` and `onApplied` of everything in `ready`. */
  advance(ready: Ready): void;
  status(): RaftStatus;
}
