import type { Progress } from "../tracker/progress.js";
import type { LogIndex, MemberID } from "../types.js";
import type { LeaderLease } from "./leader-lease.js";
import type { ReadQueue } from "./read-queue.js";

export interface FollowerRole {
  readonly name: "follower";
  leaderID: MemberID;
}

export interface CandidateRole {
  readonly name: "preCandidate" | "candidate";
  readonly votes: Map<MemberID, boolean>;
}

export interface LeaderRole {
  readonly name: "leader";
  /** Sorted by member; holds every member but this one. */
  readonly progress: Map<MemberID, Progress>;
  readonly reads: ReadQueue;
  readonly lease: LeaderLease;
  heartbeatElapsedTicks: number;
  /** Being handed leadership, or noMember. */
  transferee: MemberID;
  /** No membership change may be appended while the last one, or one inherited from an earlier leader, may be unapplied: until this index is applied. */
  pendingConfIndex: LogIndex;
  uncommittedBytes: number;
  /** Entries or a commit index that followers have not been sent. */
  isBroadcastDue: boolean;
}

export type RoleState = FollowerRole | CandidateRole | LeaderRole;
