// The seldom messages of the core in the form of the wire (lenj.raft.v1), and back: votes, snapshots, hand-overs. All others: plain-messages.ts.
import { MessageType, Message as WireMessage, type SnapshotMetadata as WireSnapshot } from "@lenj/proto/raft";
import type { Message, SnapshotMetadata } from "@lenj/raft";
import { StoreError } from "../../core/errors.js";
import type { PlainMessage } from "./plain-messages.js";

export type SeldomMessage = Exclude<Message, PlainMessage>;

const noBytes = Buffer.alloc(0);

const wireType: Readonly<Record<SeldomMessage["type"], MessageType>> = {
  vote: MessageType.MESSAGE_TYPE_VOTE,
  preVote: MessageType.MESSAGE_TYPE_PRE_VOTE,
  voteResp: MessageType.MESSAGE_TYPE_VOTE_RESP,
  preVoteResp: MessageType.MESSAGE_TYPE_PRE_VOTE_RESP,
  snap: MessageType.MESSAGE_TYPE_SNAP,
  timeoutNow: MessageType.MESSAGE_TYPE_TIMEOUT_NOW,
  transferLeader: MessageType.MESSAGE_TYPE_TRANSFER_LEADER,
};

export function encodeMessage(message: SeldomMessage): WireMessage {
  const type = wireType[message.type];
  if (message.type !== "snap") return WireMessage.fromPartial({ ...message, type });
  return WireMessage.fromPartial({ ...message, type, snapshot: encodeSnapshotMetadata(message.snapshot.metadata) });
}

/** Throws DATA_DAMAGED for a type this version does not know. */
export function decodeMessage(wire: WireMessage): SeldomMessage {
  const { from, to, term, index, logTerm, transfer, reject, commit, commitTerm } = wire;
  const envelope = { from, to, term };
  const news = { commit, commitTerm };
  switch (wire.type) {
    case MessageType.MESSAGE_TYPE_VOTE:
      return { ...envelope, type: "vote", index, logTerm, transfer, ...news };
    case MessageType.MESSAGE_TYPE_PRE_VOTE:
      return { ...envelope, type: "preVote", index, logTerm, transfer, ...news };
    case MessageType.MESSAGE_TYPE_VOTE_RESP:
      return { ...envelope, type: "voteResp", reject, ...news };
    case MessageType.MESSAGE_TYPE_PRE_VOTE_RESP:
      return { ...envelope, type: "preVoteResp", reject, ...news };
    case MessageType.MESSAGE_TYPE_SNAP:
      return { ...envelope, type: "snap", snapshot: { metadata: decodeSnapshotMetadata(wire.snapshot), data: noBytes } };
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
