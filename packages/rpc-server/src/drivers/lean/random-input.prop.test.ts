// Bytes as the network may bring them: split anywhere, or broken anywhere.
import fc from "fast-check";
import { data, frame, headers, message, RawPeer, request, requestFields, settings, uint32Bytes } from "../../testing/raw-peer.js";
import type { TextHandlers } from "../../testing/text-service.js";
import { flag, frameType, preface } from "./frames.js";

const handlers: TextHandlers = {
  ask: (text) => text.toUpperCase(),
  list: (text, stream) => {
    for (const letter of text) stream.write(letter);
    stream.end();
  },
  talk: (stream) => {
    stream.onMessage = (text) => stream.write(text);
    stream.onHalfClose = () => stream.end();
  },
};

/** Requests of a well-behaved client, with calls of all kinds between each other. */
const conversation = Buffer.concat([
  preface,
  settings(),
  request(1, "Ask", "first"),
  headers(3, requestFields("Talk")),
  data(3, Buffer.concat([message("a"), message("b"), message("c".repeat(300)).subarray(0, 100)])),
  frame(frameType.ping, 0, 0, Buffer.from("pingpong")),
  request(5, "List", "letters"),
  data(3, message("c".repeat(300)).subarray(100)),
  frame(frameType.headers, 0, 7, headers(7, requestFields("Ask")).subarray(9, 20)),
  frame(frameType.continuation, flag.endHeaders, 7, headers(7, requestFields("Ask")).subarray(20)),
  data(3, Buffer.alloc(0), flag.endStream),
  data(7, message("last"), flag.endStream),
  frame(frameType.windowUpdate, 0, 0, uint32Bytes(1_000)),
  request(9, "Ask", ""),
]);

const answerTo = (pieces: readonly Buffer[]): string[] => {
  const peer = new RawPeer(handlers);
  for (const piece of pieces) peer.send(piece);
  const seen = peer.seen();
  // Anything that the driver did not foresee would be an internal error.
  expect(seen.filter((text) => /^goaway \d+ 2/.test(text))).toEqual([]);
  return seen;
};

describe("a connection", () => {
  it("gives the same answers however its bytes are split", () => {
    const whole = answerTo([conversation]);
    expect(whole.filter((text) => text.endsWith(" end"))).toHaveLength(5);
    const cuts = fc.array(fc.integer({ min: 0, max: conversation.length }), { maxLength: 60 });
    fc.assert(
      fc.property(cuts, (positions) => {
        const ends = [...positions, conversation.length].sort((a, b) => a - b);
        const pieces = ends.map((end, position) => conversation.subarray(position === 0 ? 0 : ends[position - 1], end));
        expect(answerTo(pieces)).toEqual(whole);
      }),
      { numRuns: 200 },
    );
  });

  it("survives any bytes after the preface", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 10 }), (pieces) => {
        answerTo([preface, settings(), ...pieces.map((piece) => Buffer.from(piece))]);
      }),
      { numRuns: 300 },
    );
  });

  it("survives any frames", () => {
    const anyFrame = fc
      .record({
        type: fc.integer({ min: 0, max: 10 }),
        flags: fc.integer({ min: 0, max: 255 }),
        id: fc.integer({ min: 0, max: 9 }),
        payload: fc.uint8Array({ maxLength: 60 }),
      })
      .map(({ type, flags, id, payload }) => frame(type, flags, id, payload));
    const someFrame = fc.oneof(
      anyFrame,
      fc.nat({ max: 5 }).map((n) => request(2 * n + 1, "Ask", "text")),
      fc.nat({ max: 5 }).map((n) => headers(2 * n + 1, requestFields("Talk"))),
      fc
        .tuple(fc.nat({ max: 5 }), fc.uint8Array({ maxLength: 30 }), fc.nat({ max: 1 }))
        .map(([n, bytes, end]) => data(2 * n + 1, bytes, end)),
    );
    fc.assert(
      fc.property(fc.array(someFrame, { maxLength: 30 }), (frames) => {
        answerTo([preface, settings(), ...frames]);
      }),
      { numRuns: 1_000 },
    );
  });

  it("survives a conversation with any one byte changed", () => {
    fc.assert(
      fc.property(fc.nat({ max: conversation.length - 1 }), fc.nat({ max: 255 }), (position, byte) => {
        const broken = Buffer.from(conversation);
        broken[position] = byte;
        answerTo([broken]);
      }),
      { numRuns: 1_000 },
    );
  });
});
