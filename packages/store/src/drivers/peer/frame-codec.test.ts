import { PeerFrame } from "@lenj/proto/raft";
import type { Entry, Message } from "@lenj/raft";
import fc from "fast-check";
import { decodeFrame, encodeBatch, encodeHello } from "./frame-codec.js";
import { encodeMessage } from "./message-codec.js";

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

describe("the peer stream's frames", () => {
  it("are read back as they were written, and as the generated code reads them", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 4 }), (messages) => {
        const bytes = encodeBatch(messages);
        expect(decodeFrame(bytes)).toEqual({ messages, sizeBytes: bytes.length });
        expect(PeerFrame.decode(bytes)).toEqual({ frame: { $case: "batch", value: { messages: messages.map(encodeMessage) } } });
      }),
    );
  });

  it("are read however another version has written them", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 4 }), (messages) => {
        const bytes = Buffer.from(
          PeerFrame.encode({ frame: { $case: "batch", value: { messages: messages.map(encodeMessage) } } }).finish(),
        );
        expect(decodeFrame(bytes)).toEqual({ messages, sizeBytes: bytes.length });
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
