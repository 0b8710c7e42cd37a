// Raft messages of the core in the form of the wire (lenj.raft.v1), and back.
import {
  MessageType,
  type Entry as WireEntry,
  EntryType as WireEntryType,
  type Message as WireMessage,
  type SnapshotMetadata as WireSnapshot,
} from "@lenj/proto/raft";
import type { Entry, Message, SnapshotMetadata } from "@lenj/raft";
import { StoreError } from "../../core/errors.js";

const noBytes = Buffer.alloc(0);

const wireType: Readonly<Record<Message["type"], MessageType>> = {
  prop: MessageType.MESSAGE_TYPE_PROP,
  app: MessageType.MESSAGE_TYPE_APP,
  appResp: MessageType.MESSAGE_TYPE_APP_RESP,
  vote: MessageType.MESSAGE_TYPE_VOTE,
  preVote: MessageType.MESSAGE_TYPE_PRE_VOTE,
  voteResp: MessageType.MESSAGE_TYPE_VOTE_RESP,
  preVoteResp: MessageType.MESSAGE_TYPE_PRE_VOTE_RESP,
  snap: MessageType.MESSAGE_TYPE_SNAP,
  heartbeat: MessageType.MESSAGE_TYPE_HEARTBEAT,
  heartbeatResp: MessageType.MESSAGE_TYPE_HEARTBEAT_RESP,
  readIndex: MessageType.MESSAGE_TYPE_READ_INDEX,
  readIndexResp: MessageType.MESSAGE_TYPE_READ_INDEX_RESP,
  timeoutNow: MessageType.MESSAGE_TYPE_TIMEOUT_NOW,
  transferLeader: MessageType.MESSAGE_TYPE_TRANSFER_LEADER,
};

export function encodeMessage(message: Message): WireMessage {
  const wire: WireMessage = {
    type: wireType[message.type],
    to: message.to,
    from: message.from,
    term: message.term,
    logTerm: 0,
    index: 0,
    entries: [],
    commit: 0,
    snapshot: undefined,
    reject: false,
    rejectHint: 0,
    context: noBytes,
    round: 0,
    transfer: false,
    transferee: 0n,
    commitTerm: 0,
  };
  switch (message.type) {
    case "prop":
      wire.entries = message.entries.map(encodeEntry);
      break;
    case "app":
      wire.index = message.index;
      wire.logTerm = message.logTerm;
      wire.entries = message.entries.map(encodeEntry);
      wire.commit = message.commit;
      break;
    case "appResp":
      wire.index = message.index;
      wire.reject = message.reject;
      wire.rejectHint = message.rejectHint;
      wire.logTerm = message.logTerm;
      break;
    case "vote":
    case "preVote":
      wire.index = message.index;
      wire.logTerm = message.logTerm;
      wire.transfer = message.transfer;
      wire.commit = message.commit;
      wire.commitTerm = message.commitTerm;
      break;
    case "voteResp":
    case "preVoteResp":
      wire.reject = message.reject;
      wire.commit = message.commit;
      wire.commitTerm = message.commitTerm;
      break;
    case "snap":
      wire.snapshot = encodeSnapshotMetadata(message.snapshot.metadata);
      break;
    case "heartbeat":
      wire.commit = message.commit;
      wire.round = message.round;
      break;
    case "heartbeatResp":
      wire.round = message.round;
      break;
    case "readIndex":
      wire.context = asBuffer(message.context);
      break;
    case "readIndexResp":
      wire.context = asBuffer(message.context);
      wire.index = message.index;
      break;
    case "transferLeader":
      wire.transferee = message.transferee;
      break;
    case "timeoutNow":
      break;
  }
  return wire;
}

/** Throws DATA_DAMAGED for a type this version does not know. */
export function decodeMessage(wire: WireMessage): Message {
  const envelope = { from: wire.from, to: wire.to, term: wire.term };
  const news = { commit: wire.commit, commitTerm: wire.commitTerm };
  switch (wire.type) {
    case MessageType.MESSAGE_TYPE_PROP:
      return { ...envelope, type: "prop", entries: wire.entries.map(decodeEntry) };
    case MessageType.MESSAGE_TYPE_APP:
      return {
        ...envelope,
        type: "app",
        index: wire.index,
        logTerm: wire.logTerm,
        entries: wire.entries.map(decodeEntry),
        commit: wire.commit,
      };
    case MessageType.MESSAGE_TYPE_APP_RESP:
      return { ...envelope, type: "appResp", index: wire.index, reject: wire.reject, rejectHint: wire.rejectHint, logTerm: wire.logTerm };
    case MessageType.MESSAGE_TYPE_VOTE:
      return { ...envelope, type: "vote", index: wire.index, logTerm: wire.logTerm, transfer: wire.transfer, ...news };
    case MessageType.MESSAGE_TYPE_PRE_VOTE:
      return { ...envelope, type: "preVote", index: wire.index, logTerm: wire.logTerm, transfer: wire.transfer, ...news };
    case MessageType.MESSAGE_TYPE_VOTE_RESP:
      return { ...envelope, type: "voteResp", reject: wire.reject, ...news };
    case MessageType.MESSAGE_TYPE_PRE_VOTE_RESP:
      return { ...envelope, type: "preVoteResp", reject: wire.reject, ...news };
    case MessageType.MESSAGE_TYPE_SNAP:
      return { ...envelope, type: "snap", snapshot: { metadata: decodeSnapshotMetadata(wire.snapshot), data: noBytes } };
    case MessageType.MESSAGE_TYPE_HEARTBEAT:
      return { ...envelope, type: "heartbeat", commit: wire.commit, round: wire.round };
    case MessageType.MESSAGE_TYPE_HEARTBEAT_RESP:
      return { ...envelope, type: "heartbeatResp", round: wire.round };
    case MessageType.MESSAGE_TYPE_READ_INDEX:
      return { ...envelope, type: "readIndex", context: wire.context };
    case MessageType.MESSAGE_TYPE_READ_INDEX_RESP:
      return { ...envelope, type: "readIndexResp", context: wire.context, index: wire.index };
    case MessageType.MESSAGE_TYPE_TIMEOUT_NOW:
      return { ...envelope, type: "timeoutNow" };
    case MessageType.MESSAGE_TYPE_TRANSFER_LEADER:
      return { ...envelope, type: "transferLeader", transferee: wire.transferee };
    default:
      throw new StoreError("DATA_DAMAGED", `Cannot decode peer message: unknown type ${wire.type}`);
  }
}

export function encodeSnapshotMetadata(metadata: SnapshotMetadata): WireSnapshot {
  const { voters, learners, votersOutgoing, learnersNext, autoLeave } = metadata.confState;
  return {
    confState: {
      voters: [...voters],
      learners: [...learners],
      votersOutgoing: [...votersOutgoing],
      learnersNext: [...learnersNext],
      autoLeave,
    },
    index: metadata.index,
    term: metadata.term,
  };
}

export function decodeSnapshotMetadata(wire: WireSnapshot | undefined): SnapshotMetadata {
  const confState = wire?.confState ?? { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
  return { confState, index: wire?.index ?? 0, term: wire?.term ?? 0 };
}

function encodeEntry(entry: Entry): WireEntry {
  const type = entry.type === "normal" ? WireEntryType.ENTRY_TYPE_NORMAL : WireEntryType.ENTRY_TYPE_CONF_CHANGE_V2;
  return { type, term: entry.term, index: entry.index, data: asBuffer(entry.data) };
}

function decodeEntry(wire: WireEntry): Entry {
  return {
    type: wire.type === WireEntryType.ENTRY_TYPE_NORMAL ? "normal" : "confChange",
    term: wire.term,
    index: wire.index,
    data: wire.data,
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
