import { data, frame, headers, message, RawPeer, request, requestFields, settings, uint32Bytes } from "../../testing/raw-peer.js";
import { flag, frameType, setting } from "./frames.js";
import { encodeInteger } from "./hpack/encoder.js";
import {
  concurrentStreamsMax,
  continuationsMax,
  headerListBytesMax,
  idleFrameBurst,
  ownResetsRemembered,
  resetBurst,
  socketBytesHigh,
  unreadBytesMax,
} from "./limits.js";

const never = new Promise<never>(() => {});
const repeat = (count: number, make: (n: number) => Buffer): Buffer => Buffer.concat(Array.from({ length: count }, (_, n) => make(n)));
const reset = (id: number): Buffer => frame(frameType.rstStream, 0, id, uint32Bytes(8));
const last = (peer: RawPeer): string | undefined => peer.seen().at(-1);

describe("floods end the connection (ENHANCE_YOUR_CALM), a few are taken", () => {
  const kinds: readonly (readonly [what: string, make: (n: number) => Buffer])[] = [
    ["SETTINGS", () => settings([setting.initialWindowSize, 65_535])],
    ["acknowledgements of SETTINGS", () => frame(frameType.settings, flag.ack, 0)],
    ["acknowledgements of PING", () => frame(frameType.ping, flag.ack, 0, Buffer.alloc(8))],
    ["PRIORITY", (n) => frame(frameType.priority, 0, 2 * n + 3, Buffer.alloc(5))],
    ["unknown frames", () => frame(99, 0, 0)],
    ["empty DATA", () => data(1, Buffer.alloc(0))],
    ["resets of streams that have ended", () => reset(1)],
  ];
  it.each(kinds)("%s", (_what, make) => {
    const opened = (): RawPeer => RawPeer.open({ talk: () => {} }).send(headers(1, requestFields("Talk")));
    expect(
      opened()
        .send(repeat(idleFrameBurst / 2, make))
        .seen()
        .filter((text) => text.startsWith("goaway")),
    ).toEqual([]);
    expect(last(opened().send(repeat(idleFrameBurst + 2, make)))).toMatch(/^goaway 1 11 too_many_idle_frames$/);
  });

  it("takes as many again when time has passed", () => {
    const peer = RawPeer.open();
    for (let minute = 0; minute < 5; minute++) {
      peer.send(repeat(idleFrameBurst - 10, () => frame(99, 0, 0)));
      peer.clock.advance(60_000);
    }
    expect(peer.seen()).toEqual([]);
  });

  it("calls that are reset at once (CVE-2023-44487)", () => {
    let started = 0;
    const peer = RawPeer.open({ talk: () => void (started += 1) });
    const rapid = (from: number, count: number): Buffer =>
      repeat(count, (n) => Buffer.concat([headers(from + 2 * n, requestFields("Talk")), reset(from + 2 * n)]));
    peer.send(rapid(1, resetBurst));
    expect(peer.seen()).toEqual([]);
    peer.send(rapid(2 * resetBurst + 1, 2));
    expect(last(peer)).toMatch(/^goaway \d+ 11 too_many_resets$/);
    expect(started).toBe(resetBurst + 1);
  });

  it("refuses calls while as many handlers of reset calls still run", () => {
    let running = 0;
    const peer = RawPeer.open({
      ask: () => {
        running += 1;
        return never;
      },
    });
    for (let n = 0; n < concurrentStreamsMax; n++) {
      peer.send(request(2 * n + 1, "Ask", "hi"), reset(2 * n + 1));
      peer.clock.advance(10);
    }
    const next = 2 * concurrentStreamsMax + 1;
    expect(peer.send(request(next, "Ask", "hi")).seen()).toEqual([`${next} reset 7`]);
    expect(running).toBe(concurrentStreamsMax);
  });

  it("streams that we have to reset (CVE-2025-8671)", () => {
    const peer = RawPeer.open({ talk: () => {} });
    const provoke = (n: number): Buffer =>
      Buffer.concat([headers(2 * n + 1, requestFields("Talk")), frame(frameType.windowUpdate, 0, 2 * n + 1, uint32Bytes(0))]);
    peer.send(repeat(resetBurst + 1, provoke));
    expect(last(peer)).toMatch(/^goaway \d+ 11 too_many_resets$/);
  });

  it("remembers only the last of its own resets", () => {
    const peer = RawPeer.open();
    const malformed = (id: number): Buffer => headers(id, []);
    peer.send(repeat(ownResetsRemembered + 1, (n) => malformed(2 * n + 1)));
    peer.seen();
    expect(peer.send(data(3, Buffer.alloc(1))).seen()).toEqual([]);
    expect(peer.send(data(1, Buffer.alloc(1))).seen()).toEqual(["1 reset 5"]);
  });
});

describe("header blocks that cost more than they may", () => {
  const open = (): RawPeer => RawPeer.open({ ask: (text) => text });
  const part = (flags: number, payload: Buffer): Buffer => frame(frameType.continuation, flags, 1, payload);

  it("CONTINUATION without end: few frames, and few bytes", () => {
    const endless = (bytes: number): Buffer =>
      Buffer.concat([headers(1, requestFields("Ask"), 0), repeat(continuationsMax + 1, () => part(0, Buffer.alloc(bytes)))]);
    for (const bytes of [0, 16_384]) expect(last(open().send(endless(bytes)))).toBe("goaway 0 11 Header block is too long");
  });

  it("a list above the limit ends its stream, and the tables stay in step", () => {
    const peer = open();
    const large = Buffer.concat([
      Buffer.from([0x40, 1]),
      Buffer.from("a"),
      encodeInteger(4_000, 7, 0),
      Buffer.alloc(4_000, 0x62),
      // The same entry again and again: one byte each that stands for four thousand.
      Buffer.alloc(Math.ceil(headerListBytesMax / 4_000), 0xbe),
    ]);
    const block = (rest: Buffer) => Buffer.concat([headers(1, requestFields("Ask")).subarray(9), rest]);
    peer.send(frame(frameType.headers, flag.endHeaders | flag.endStream, 1, block(large)));
    expect(peer.seen()).toEqual(["1 reset 11"]);
    peer.send(frame(frameType.headers, flag.endHeaders, 3, block(Buffer.from([0xbe]))), data(3, message("hi"), flag.endStream));
    expect(peer.seen().at(-1)).toBe("3 headers grpc-status=0 end");
  });
});

describe("a client that does not read", () => {
  it("is not read from any more once enough of its answers wait, and goes on where it stopped", () => {
    const answer = "x".repeat(60_000);
    const peer = RawPeer.open({ ask: () => answer });
    peer.send(settings([setting.initialWindowSize, 2 ** 31 - 1]), frame(frameType.windowUpdate, 0, 0, uint32Bytes(2 ** 31 - 1 - 65_535)));
    peer.frames();
    peer.socket.isStalled = true;
    let asked = 0;
    while (!peer.socket.isPaused() && asked < 1_000) peer.send(request(2 * asked++ + 1, "Ask", "hi"));
    expect(asked * answer.length).toBeGreaterThan(unreadBytesMax);
    expect(asked * answer.length).toBeLessThan(2 * unreadBytesMax);
    // What is not in its stream's queue is in the socket's.
    expect(peer.socket.writableLength).toBeLessThan(2 * socketBytesHigh);
    peer.socket.isStalled = false;
    return drained(peer, asked);
  });

  it("is not read from any more when only its PINGs and resets make answers", () => {
    const peer = RawPeer.open({ ask: (text) => text });
    peer.socket.isStalled = true;
    const provoke = (n: number): Buffer => request(2 * n + 1, "Unknown", "x".repeat(10));
    let sent = 0;
    while (!peer.socket.isPaused() && sent < 100_000) {
      peer.send(repeat(100, (n) => provoke(sent + n)));
      sent += 100;
    }
    expect(peer.socket.isPaused()).toBe(true);
    expect(peer.socket.writableLength).toBeLessThan(2 * unreadBytesMax);
  });
});

async function drained(peer: RawPeer, asked: number): Promise<void> {
  let ended = 0;
  while (ended < asked) ended += (await peer.seenLater()).filter((text) => text.endsWith(" end")).length;
  expect(peer.socket.isPaused()).toBe(false);
  expect(peer.send(request(2 * asked + 1, "Ask", "hi")).frames().length).toBeGreaterThan(0);
}
