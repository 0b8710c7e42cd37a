// The raft core's vocabulary: what goes in, what comes out, and what its embedder provides.
//
// Counters (term, index) are plain numbers, exact to 2^53; identities are bigints, since member IDs use all 64 bits.
// Values handed out (entries, messages, Ready) are shared, not copied: neither side may change them afterwards.
// Source: Raft thesis (Ongaro 2014); shapes and names follow go.etcd.io/raft/v3 (RawNode, raftpb).

import type { Logger, Random } from "@lenj/base";

/** Identity of a member, all 64 bits in use. `noMember` (0n) stands for none, as on the wire. */
export type MemberID = bigint;
export const noMember: MemberID = 0n;

/** Election term, 0 before the first election. Never decreases on one member. */
export type Term = number;
/** Position in the replicated log; the first entry is 1, 0 means "before the log". */
export type LogIndex = number;

export type EntryType = "normal" | "confChange";

/** One slot of the log. `data` is opaque for "normal"; an encoded {@link ConfChange} for "confChange" (see `decodeConfChange`). An empty "normal" entry opens each leader's term. */
export interface Entry {
  readonly term: Term;
  readonly index: LogIndex;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/** What a member must remember across restarts besides its log. `vote` is `noMember` when it has not voted in `term`. */
export interface HardState {
  readonly term: Term;
  readonly vote: MemberID;
  readonly commit: LogIndex;
}

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** Volatile state, for routing clients and for metrics. */
export interface SoftState {
  readonly leaderID: MemberID;
  readonly role: Role;
}

/** Membership. `votersOutgoing` is non-empty only inside a joint configuration; `learnersNext` are voters that become learners when it ends. */
export interface ConfState {
  readonly voters: readonly MemberID[];
  readonly learners: readonly MemberID[];
  readonly votersOutgoing: readonly MemberID[];
  readonly learnersNext: readonly MemberID[];
  readonly autoLeave: boolean;
}

export interface SnapshotMetadata {
  readonly index: LogIndex;
  readonly term: Term;
  readonly confState: ConfState;
}

/** A state machine at `metadata.index`. `data` is opaque; embedders that stream the state out of band leave it empty. */
export interface Snapshot {
  readonly metadata: SnapshotMetadata;
  readonly data: Uint8Array;
}

export type ConfChangeType = "addVoter" | "remove" | "update" | "addLearner";

export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly memberID: MemberID;
}

/**
 * A membership change. One change takes the simple protocol unless `transition` asks for a joint one; several always go through a joint
 * configuration, left automatically ("auto", "jointImplicit") or by a change without `changes` ("jointExplicit").
 * `context` is opaque. Upstream: raftpb.ConfChangeV2.
 */
export interface ConfChange {
  readonly transition: "auto" | "jointImplicit" | "jointExplicit";
  readonly changes: readonly ConfChangeSingle[];
  readonly context: Uint8Array;
}

interface Envelope {
  readonly from: MemberID;
  readonly to: MemberID;
  /** Sender's term; 0 on "prop" and "readIndex", which are not bound to one. */
  readonly term: Term;
}

/** Proposal forwarded to the leader; index and term of its entries are 0 until the leader appends them. */
export interface PropMessage extends Envelope {
  readonly type: "prop";
  readonly entries: readonly Entry[];
}
/** AppendEntries: `entries` follow the entry at `index` whose term is `logTerm`. */
export interface AppMessage extends Envelope {
  readonly type: "app";
  readonly index: LogIndex;
  readonly logTerm: Term;
  readonly entries: readonly Entry[];
  readonly commit: LogIndex;
}
/** Accepted: the log matches and is durable through `index`. Rejected: the append at `index` did not fit; the log may match through `rejectHint`, whose term is `logTerm`. */
export interface AppRespMessage extends Envelope {
  readonly type: "appResp";
  readonly index: LogIndex;
  readonly reject: boolean;
  readonly rejectHint: LogIndex;
  readonly logTerm: Term;
}
/** What the sender of a vote message knows to be committed: an index and the term of the entry there (0, 0 when it cannot tell). */
interface CommitNews {
  readonly commit: LogIndex;
  readonly commitTerm: Term;
}
/** RequestVote or its dry run, by a sender whose log ends at `index`, `logTerm`. `transfer`: asked for by the leader itself, so a lease does not stand in the way. */
export interface VoteMessage extends Envelope, CommitNews {
  readonly type: "vote" | "preVote";
  readonly index: LogIndex;
  readonly logTerm: Term;
  readonly transfer: boolean;
}
export interface VoteRespMessage extends Envelope, CommitNews {
  readonly type: "voteResp" | "preVoteResp";
  readonly reject: boolean;
}
export interface SnapMessage extends Envelope {
  readonly type: "snap";
  readonly snapshot: Snapshot;
}
/** `round` numbers the leader's read confirmations within its term; 0 when no read waits. */
export interface HeartbeatMessage extends Envelope {
  readonly type: "heartbeat";
  readonly commit: LogIndex;
  readonly round: number;
}
/** Echoes `round`. */
export interface HeartbeatRespMessage extends Envelope {
  readonly type: "heartbeatResp";
  readonly round: number;
}
export interface ReadIndexMessage extends Envelope {
  readonly type: "readIndex";
  readonly context: Uint8Array;
}
export interface ReadIndexRespMessage extends Envelope {
  readonly type: "readIndexResp";
  readonly context: Uint8Array;
  readonly index: LogIndex;
}
/** Leader to transferee: campaign now. */
export interface TimeoutNowMessage extends Envelope {
  readonly type: "timeoutNow";
}
/** Asks the leader to hand over to `transferee`; followers forward it. */
export interface TransferLeaderMessage extends Envelope {
  readonly type: "transferLeader";
  readonly transferee: MemberID;
}

/** What members say to each other. Upstream: raftpb.Message, less the types that never leave a member (those are methods of RaftNode). */
export type Message =
  | PropMessage
  | AppMessage
  | AppRespMessage
  | VoteMessage
  | VoteRespMessage
  | SnapMessage
  | HeartbeatMessage
  | HeartbeatRespMessage
  | ReadIndexMessage
  | ReadIndexRespMessage
  | TimeoutNowMessage
  | TransferLeaderMessage;

export type MessageType = Message["type"];

/** The read asked for with `context` may be served once the state machine has applied `index`. */
export interface ReadState {
  readonly index: LogIndex;
  readonly context: Uint8Array;
}

/**
 * Work for the embedder. Several may be outstanding; they are persisted and acknowledged in the order of `number`.
 *
 * 1. `messages` may be sent at once, also before anything of this Ready is durable.
 * 2. `snapshot`, `entries` and `hardState` go to stable storage as one step (snapshot first; it replaces the whole log and the state
 *    machine; entries overwrite whatever was stored from their first index on), and must be visible through RaftStorage;
 *    with fsync when `mustSync`.
 * 3. Only then `messagesAfterPersist` are sent and `RaftNode.onPersisted(ready)` is called.
 * 4. `committedEntries` are durable here already (by an earlier Ready) and are applied in order, at any time; then
 *    `RaftNode.onApplied(index)`. "confChange" entries also go to `RaftNode.applyConfChange`.
 *
 * Doing all of it and then calling `RaftNode.advance(ready)` is the simple form of 3 and 4.
 */
export interface Ready {
  readonly number: number;
  readonly softState?: SoftState;
  readonly hardState?: HardState;
  readonly snapshot?: Snapshot;
  readonly entries: readonly Entry[];
  readonly messages: readonly Message[];
  readonly messagesAfterPersist: readonly Message[];
  readonly committedEntries: readonly Entry[];
  readonly readStates: readonly ReadState[];
  /** Term, vote, entries or snapshot changed: an answer depends on their being durable. A mere advance of `commit` is not. */
  readonly mustSync: boolean;
}

/**
 * The core's view of stable storage: synchronous, so kept in memory (see MemoryLog). It shows what was persisted, and at the latest when
 * the Ready that carried it is acknowledged.
 */
export interface RaftStorage {
  /** Read once, at construction. `confState` is the membership at the applied index the node is given in its config. */
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /** First index held; everything before it is in the snapshot only. 1 for a fresh log. */
  firstIndex(): LogIndex;
  /** Last index held; `firstIndex() - 1` when no entry is. */
  lastIndex(): LogIndex;
  /** Term of the entry at `index`, for `firstIndex() - 1 <= index <= lastIndex()`; undefined outside. */
  term(index: LogIndex): Term | undefined;
  /** Entries in [low, high), cut to `maxBytes` in total but never to none. The caller keeps the range inside what is held. */
  entries(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[];
  /** Newest snapshot for a member that fell behind `firstIndex()`, or undefined while one is being made (asked again later). */
  snapshot(): Snapshot | undefined;
}

/** What became of a proposal. Only "appended" and "forwarded" may still commit; neither promises it. */
export type ProposeOutcome =
  | "appended"
  | "forwarded"
  | "noLeader"
  | "tooManyUncommitted"
  | "transferringLeadership"
  | "notMember"
  | "confChangeRefused";

/** What became of a read request. "accepted": a ReadState with its context follows, unless leadership changes first (ask again after a time). */
export type ReadIndexOutcome = "accepted" | "noLeader" | "tooManyReads";

export interface RaftConfig {
  readonly id: MemberID;
  readonly storage: RaftStorage;
  readonly random: Random;
  readonly logger?: Logger;
  /** Index the state machine has applied, on restart. Default: the index before `storage.firstIndex()`. */
  readonly applied?: LogIndex;
  /** Ticks without a leader before campaigning; each wait is drawn from [electionTicks, 2 * electionTicks). Default 10. */
  readonly electionTicks?: number;
  /** Ticks between heartbeats. Default 1. */
  readonly heartbeatTicks?: number;
  /** Ask whether an election could be won before raising the term (thesis §9.6). Default true. */
  readonly preVote?: boolean;
  /** A leader that hears from no quorum for an election timeout steps down, and members with a live leader refuse votes. Default true. */
  readonly checkQuorum?: boolean;
  /** Upper bound of entry data in one append; a single larger entry still goes alone. Default 1 MiB. */
  readonly maxSizePerMessageBytes?: number;
  /** Appends on their way to one follower before waiting for an answer. Default 512. */
  readonly maxInflightMessages?: number;
  /** Entry data on its way to one follower before waiting for an answer. Default 256 MiB. */
  readonly maxInflightBytes?: number;
  /** Entry data appended by a leader but not committed, beyond which proposals are refused. Default 1 GiB. */
  readonly maxUncommittedEntriesBytes?: number;
  /** Entry data handed out for applying and not yet acknowledged by `onApplied`. Default 64 MiB. */
  readonly maxApplyingEntriesBytes?: number;
  /** Reads a leader holds until they are confirmed, beyond which it refuses. Default 65,536. */
  readonly maxPendingReads?: number;
  /**
   * "safe" confirms leadership by a heartbeat round for each read. "leaseBased" answers at once within three quarters of an election timeout
   * from a round that a quorum answered, which trusts clocks, needs checkQuorum, and must be set on all members alike. Default "safe".
   */
  readonly readOnly?: "safe" | "leaseBased";
  /** Followers refuse proposals instead of forwarding them. Default false. */
  readonly disableProposalForwarding?: boolean;
  /** A leader that its own membership change removed or demoted steps down at once. Default true. */
  readonly stepDownOnRemoval?: boolean;
  /** A leader whose own writes have not become durable for this many ticks hands over, and steps down a second such period later. 0 = never. Default 2 * electionTicks. */
  readonly persistStallTicks?: number;
}

/** How a leader sees one member's log. Upstream: tracker.Progress. */
export interface ProgressStatus {
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly state: "probe" | "replicate" | "snapshot";
  readonly isLearner: boolean;
  readonly recentActive: boolean;
  readonly isPaused: boolean;
  readonly inflightMessages: number;
  readonly pendingSnapshot: LogIndex;
}

export interface RaftStatus extends HardState, SoftState {
  readonly id: MemberID;
  readonly applied: LogIndex;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Last index known durable here. */
  readonly stableIndex: LogIndex;
  readonly confState: ConfState;
  readonly transferee: MemberID;
  readonly uncommittedBytes: number;
  /** Empty unless leader. */
  readonly progress: ReadonlyMap<MemberID, ProgressStatus>;
}
