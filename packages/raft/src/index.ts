export { decodeConfChange, encodeConfChange } from "./confchange/codec.js";
export { bootstrapLog } from "./core/bootstrap.js";
export { RaftNode } from "./core/raft-node.js";
export { isRaftError, RaftError, type RaftErrorCode } from "./errors.js";
export { MemoryLog, type MemoryLogState } from "./log/memory-log.js";
export type {
  AppMessage,
  AppRespMessage,
  ConfChange,
  ConfChangeSingle,
  ConfChangeType,
  ConfState,
  Entry,
  EntryType,
  HardState,
  HeartbeatMessage,
  HeartbeatRespMessage,
  LogIndex,
  MemberID,
  Message,
  MessageType,
  ProgressStatus,
  PropMessage,
  ProposeOutcome,
  RaftConfig,
  RaftStatus,
  RaftStorage,
  ReadIndexMessage,
  ReadIndexOutcome,
  ReadIndexRespMessage,
  ReadState,
  Ready,
  Role,
  SnapMessage,
  Snapshot,
  SnapshotMetadata,
  SoftState,
  Term,
  TimeoutNowMessage,
  TransferLeaderMessage,
  VoteMessage,
  VoteRespMessage,
} from "./types.js";
export { noMember } from "./types.js";
