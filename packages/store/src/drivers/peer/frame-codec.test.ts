import { EntryType, MessageType, PeerFrame, Message as WireMessage } from "@lenj/proto/raft";
import type { Entry, Message } from "@lenj/raft";
import fc from "fast-check";
import { decodeFrame, encodeBatch, encodeHello } from "./frame-codec.js";
import { writeField } from "./wire-cursor.js";

const count = fc.oneof(fc.nat(200), fc.maxSafeNat());
const id = fc.oneof(fc.bigInt(1n, 300n), fc.bigInt(1n, 2n ** 64n - 1n));
const entry: fc.Arbitrary<Entry> = fc.record({
  type: fc.constantFrom("normal" as const, "confChange" as const),
  term: count,
  index: count,
  // Lengths on both sides of a varint's steps.
  data: fc.constantFrom(0, 1, 127, 128, 16_383, 16_384, 20_000).map((length) => Buffer.alloc(length, "x")),
});
const envelope = { from: id, to: id, term: count };
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ ...envelope, type: fc.constant("prop" as const), entries: fc.array(entry, { maxLength: 4 }) }),
  fc.record({
    ...envelope,
    type: fc.constant("app" as const),
    index: count,
    logTerm: count,
    commit: count,
    entries: fc.array(entry, { maxLength: 4 }),
  }),
  fc.record({
    ...envelope,
    type: fc.constant("appResp" as const),
    index: count,
    reject: fc.boolean(),
    rejectHint: count,
    logTerm: count,
  }),
  fc.record({ ...envelope, type: fc.constant("heartbeat" as const), commit: count, round: count }),
  fc.record({ ...envelope, type: fc.constant("heartbeatResp" as const), round: count }),
  fc.record({
    ...envelope,
    type: fc.constant("readIndex" as const),
    context: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({
    ...envelope,
    type: fc.constant("readIndexResp" as const),
    index: count,
    context: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({
    ...envelope,
    type: fc.constantFrom("vote" as const, "preVote" as const),
    index: count,
    logTerm: count,
    transfer: fc.boolean(),
    commit: count,
    commitTerm: count,
  }),
  fc.record({ ...envelope, type: fc.constant("timeoutNow" as const) }),
  fc.record({ ...envelope, type: fc.constant("transferLeader" as const), transferee: id }),
) as fc.Arbitrary<Message>;

const wireTypes: Readonly<Record<Message["type"], MessageType>> = {
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

/** The wire's names are the core's: what the generated code is to read. */
function wireOf(message: Message): WireMessage {
  const entries = ("entries" in message ? message.entries : []).map(({ type, ...entry }) => ({
    ...entry,
    type: type === "normal" ? EntryType.ENTRY_TYPE_NORMAL : EntryType.ENTRY_TYPE_CONF_CHANGE_V2,
    data: Buffer.from(entry.data),
  }));
  return WireMessage.fromPartial({ ...message, type: wireTypes[message.type], entries } as Partial<WireMessage>);
}

function lengthOf(tag: number, { length }: Buffer): Buffer {
  const bytes = Buffer.alloc(6);
  return bytes.subarray(0, writeField(bytes, 0, tag, length));
}

/** A frame of the messages, as the generated code writes it. */
const generated = (messages: readonly Message[]): Buffer =>
  Buffer.from(PeerFrame.encode({ frame: { $case: "batch", value: { messages: messages.map(wireOf) } } }).finish());

describe("the peer stream's frames", () => {
  it("are read back as they were written, and as the generated code reads them", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 4 }), (messages) => {
        const bytes = encodeBatch(messages);
        expect(decodeFrame(bytes)).toEqual({ messages, sizeBytes: bytes.length });
        expect(PeerFrame.decode(bytes)).toEqual({ frame: { $case: "batch", value: { messages: messages.map(wireOf) } } });
      }),
    );
  });

  it("are read however another version has written them", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 4 }), (messages) => {
        const bytes = generated(messages);
        expect(decodeFrame(bytes)).toEqual({ messages, sizeBytes: bytes.length });
      }),
    );
  });

  it("are read past what a newer version has added", () => {
    const added = [Buffer.from([0x98, 0x06, 0x01]), Buffer.from([0x9a, 0x06, 0x02, 0x6f, 0x6b])];
    fc.assert(
      fc.property(message, fc.constantFrom(...added), (one, field) => {
        const body = Buffer.concat([WireMessage.encode(wireOf(one)).finish(), field]);
        const inBatch = Buffer.concat([lengthOf(0x0a, body), body]);
        const bytes = Buffer.concat([lengthOf(0x12, inBatch), inBatch]);
        expect(decodeFrame(bytes)).toEqual({ messages: [one], sizeBytes: bytes.length });
      }),
    );
  });

  it("say who speaks", () => {
    const hello = { clusterId: 2n ** 64n - 1n, from: 1n, to: 2n, protocolVersion: 1, peerUrls: ["http://10.0.0.1:2380"] };
    expect(decodeFrame(encodeHello(hello))).toMatchObject({ hello });
  });

  it("are refused when they are cut off or altered, or read as something; never anything else", () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat(255), (messages, at, byte) => {
        const bytes = encodeBatch(messages);
        const altered = Buffer.from(bytes);
        altered[at % bytes.length] = byte;
        for (const broken of [bytes.subarray(0, at % bytes.length), altered]) {
          try {
            decodeFrame(broken);
          } catch (error) {
            expect(error).toMatchObject({ code: "DATA_DAMAGED" });
          }
        }
      }),
    );
  });
});
