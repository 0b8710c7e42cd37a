import { data, frame, headers, message, RawPeer, request, requestFields, settings, uint32Bytes } from "../../testing/raw-peer.js";
import type { TextHandlers } from "../../testing/text-service.js";
import { flag, frameType, preface, setting } from "./frames.js";
import { concurrentStreamsMax, lingerMs, prefaceTimeoutMs } from "./limits.js";

const echo: TextHandlers = {
  ask: (text) => text,
  talk: (stream) => {
    stream.onMessage = (text) => stream.write(text);
    stream.onHalfClose = () => stream.end();
  },
};
const open = (): RawPeer => RawPeer.open(echo);
const answer = (id: number, text: string): string[] => [
  `${id} headers :status=200`,
  `${id} data ${JSON.stringify(message(text).toString("latin1"))}`,
  `${id} headers grpc-status=0 end`,
];
const wants = (id: number, text = "hi"): string[] => answer(id, text);
const block = headers(1, requestFields("Ask")).subarray(9);
const padded = (payload: Buffer, padding: number): Buffer => Buffer.concat([Buffer.from([padding]), payload, Buffer.alloc(padding)]);

describe("the beginning (RFC 9113, section 3.4)", () => {
  it("sends its settings and opens its window at once, and acknowledges the client's settings", () => {
    const peer = new RawPeer(echo);
    peer.send(preface, settings([setting.maxFrameSize, 16_384]));
    expect(peer.seen()).toEqual(["settings 3=10000 4=262144 6=65536", "0 window 16711681", "settings ack"]);
  });

  it("takes the preface byte by byte", () => {
    const peer = new RawPeer(echo);
    for (const byte of Buffer.concat([preface, settings(), request(1, "Ask", "hi")])) peer.send(Buffer.from([byte]));
    expect(peer.seen().slice(3)).toEqual(wants(1));
  });

  it("ends a connection that begins otherwise", () => {
    const peer = new RawPeer(echo);
    peer.send(Buffer.from("GET / HTTP/1.1\r\n"));
    expect(peer.seen().at(-1)).toMatch(/^goaway 0 1 /);
  });

  it("ends a connection whose first frame is not SETTINGS, an acknowledgement included", () => {
    for (const first of [request(1, "Ask", "hi"), frame(frameType.settings, flag.ack, 0)])
      expect(new RawPeer(echo).send(preface, first).seen().at(-1)).toMatch(/^goaway \d 1 First frame is not SETTINGS$/);
  });

  it("ends a connection that says nothing", () => {
    const peer = new RawPeer(echo);
    peer.clock.advance(prefaceTimeoutMs);
    expect(peer.socket.destroyed).toBe(true);
  });
});

describe("errors of a connection end it with GOAWAY", () => {
  const frames: readonly (readonly [what: string, code: number, bytes: Buffer])[] = [
    ["a frame above the largest size", 6, frame(frameType.data, 0, 1, Buffer.alloc(16_385))],
    ["DATA on the connection", 1, data(0, message("a"))],
    ["DATA on an idle stream", 1, data(1, message("a"))],
    ["padding longer than its frame", 1, Buffer.concat([headers(1, requestFields("Talk")), data(1, Buffer.from([5, 0, 0]), flag.padded)])],
    ["a padded frame without its length", 6, frame(frameType.headers, flag.padded | flag.endHeaders, 1)],
    ["HEADERS on the connection", 1, headers(0, requestFields("Ask"))],
    ["HEADERS with a server's number", 1, headers(2, requestFields("Ask"))],
    ["HEADERS with a number below one that was used", 5, Buffer.concat([request(3, "Ask", "hi"), headers(1, requestFields("Ask"))])],
    ["HEADERS too short for their priority", 6, frame(frameType.headers, flag.priority | flag.endHeaders, 1, Buffer.alloc(4))],
    ["a header block that breaks HPACK", 9, frame(frameType.headers, flag.endHeaders, 1, Buffer.from([0x80]))],
    [
      "another frame within a header block",
      1,
      Buffer.concat([headers(1, requestFields("Ask"), 0), frame(frameType.ping, 0, 0, Buffer.alloc(8))]),
    ],
    ["CONTINUATION of another stream", 1, Buffer.concat([headers(1, requestFields("Ask"), 0), frame(frameType.continuation, 4, 3)])],
    ["CONTINUATION without HEADERS", 1, frame(frameType.continuation, flag.endHeaders, 1)],
    ["PRIORITY on the connection", 1, frame(frameType.priority, 0, 0, Buffer.alloc(5))],
    ["RST_STREAM on an idle stream", 1, frame(frameType.rstStream, 0, 1, uint32Bytes(8))],
    ["RST_STREAM on the connection", 1, frame(frameType.rstStream, 0, 0, uint32Bytes(8))],
    ["RST_STREAM of a wrong length", 6, frame(frameType.rstStream, 0, 1, Buffer.alloc(3))],
    ["SETTINGS on a stream", 1, frame(frameType.settings, 0, 1)],
    ["SETTINGS of a wrong length", 6, frame(frameType.settings, 0, 0, Buffer.alloc(7))],
    ["an acknowledgement of SETTINGS that is not empty", 6, frame(frameType.settings, flag.ack, 0, Buffer.alloc(6))],
    ["SETTINGS_ENABLE_PUSH of 2", 1, settings([setting.enablePush, 2])],
    ["SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1", 3, settings([setting.initialWindowSize, 2 ** 31])],
    ["SETTINGS_MAX_FRAME_SIZE below 16,384", 1, settings([setting.maxFrameSize, 16_383])],
    ["SETTINGS_MAX_FRAME_SIZE above 2^24-1", 1, settings([setting.maxFrameSize, 2 ** 24])],
    ["PUSH_PROMISE", 1, frame(frameType.pushPromise, flag.endHeaders, 1, Buffer.alloc(4))],
    ["PING on a stream", 1, frame(frameType.ping, 0, 1, Buffer.alloc(8))],
    ["PING of a wrong length", 6, frame(frameType.ping, 0, 0, Buffer.alloc(6))],
    ["GOAWAY on a stream", 1, frame(frameType.goAway, 0, 1, Buffer.alloc(8))],
    ["GOAWAY of a wrong length", 6, frame(frameType.goAway, 0, 0, Buffer.alloc(7))],
    ["WINDOW_UPDATE of a wrong length", 6, frame(frameType.windowUpdate, 0, 0, Buffer.alloc(3))],
    ["WINDOW_UPDATE of zero on the connection", 1, frame(frameType.windowUpdate, 0, 0, uint32Bytes(0))],
    ["WINDOW_UPDATE on an idle stream", 1, frame(frameType.windowUpdate, 0, 1, uint32Bytes(1))],
    ["a connection window above 2^31-1", 3, frame(frameType.windowUpdate, 0, 0, uint32Bytes(2 ** 31 - 1))],
  ];

  it.each(frames)("%s: code %d", (_what, code, bytes) => {
    const peer = open().send(bytes);
    expect(peer.seen().at(-1)).toMatch(new RegExp(`^goaway \\d+ ${code} `));
    // Nothing that follows is looked at.
    expect(peer.send(request(9, "Ask", "hi")).seen()).toEqual([]);
    peer.clock.advance(lingerMs);
    expect(peer.socket.destroyed).toBe(true);
  });
});

describe("errors of a stream end the stream and nothing else", () => {
  const talking = headers(1, requestFields("Talk"));
  const malformed = (fields: readonly (readonly [string, string])[]): Buffer => headers(1, fields);
  const without = (name: string) => malformed(requestFields("Ask").filter(([found]) => found !== name));
  const streams: readonly (readonly [what: string, code: number, bytes: Buffer])[] = [
    ["no :method", 1, without(":method")],
    ["no :scheme", 1, without(":scheme")],
    ["no :path", 1, without(":path")],
    ["two :path", 1, malformed([[":path", "/"], ...requestFields("Ask")])],
    ["an unknown pseudo-header", 1, malformed([[":x", ""], ...requestFields("Ask")])],
    ["a response's pseudo-header", 1, malformed([[":status", "200"], ...requestFields("Ask")])],
    ["a pseudo-header after others", 1, malformed([["a", ""], ...requestFields("Ask")])],
    ["a name in upper case", 1, malformed(requestFields("Ask", [["X-Name", ""]]))],
    ["a name with a blank", 1, malformed(requestFields("Ask", [["a b", ""]]))],
    ["a value with a line break", 1, malformed(requestFields("Ask", [["a", "b\nc"]]))],
    ["a field of the connection", 1, malformed(requestFields("Ask", [["connection", "close"]]))],
    ["te that is not trailers", 1, malformed(requestFields("Ask", [["te", "gzip"]]))],
    ["a content-length that is none", 1, malformed(requestFields("Ask", [["content-length", "+1"]]))],
    [
      "more DATA than content-length says",
      1,
      Buffer.concat([headers(1, requestFields("Ask", [["content-length", "5"]])), data(1, message("a"))]),
    ],
    [
      "less DATA than content-length says",
      1,
      Buffer.concat([headers(1, requestFields("Ask", [["content-length", "9"]])), data(1, message("a"), flag.endStream)]),
    ],
    [
      "a stream that depends on itself",
      1,
      frame(frameType.headers, flag.endHeaders | flag.priority, 1, Buffer.concat([uint32Bytes(1), Buffer.from([9]), block])),
    ],
    ["a second HEADERS that does not end the stream", 1, Buffer.concat([talking, headers(1, [["a", "b"]])])],
    ["trailers with a pseudo-header", 1, Buffer.concat([talking, headers(1, [[":path", "/"]], flag.endHeaders | flag.endStream)])],
    ["PRIORITY of a wrong length", 6, Buffer.concat([talking, frame(frameType.priority, 0, 1, Buffer.alloc(4))])],
    [
      "PRIORITY that depends on itself",
      1,
      Buffer.concat([talking, frame(frameType.priority, 0, 1, Buffer.concat([uint32Bytes(1), Buffer.alloc(1)]))]),
    ],
    ["WINDOW_UPDATE of zero", 1, Buffer.concat([talking, frame(frameType.windowUpdate, 0, 1, uint32Bytes(0))])],
    ["a window above 2^31-1", 3, Buffer.concat([talking, frame(frameType.windowUpdate, 0, 1, uint32Bytes(2 ** 31 - 1))])],
  ];

  it.each(streams)("%s: code %d", (_what, code, bytes) => {
    const peer = open().send(bytes);
    expect(peer.seen().filter((text) => !text.includes("headers") && !text.includes("data"))).toEqual([`1 reset ${code}`]);
    expect(peer.send(request(3, "Ask", "hi")).seen()).toEqual(wants(3));
  });

  it("DATA and HEADERS after the client has ended its stream: STREAM_CLOSED", () => {
    const waiting = RawPeer.open({ ask: () => new Promise<string>(() => {}) });
    waiting.send(request(1, "Ask", "hi"), data(1, message("more")));
    waiting.send(request(3, "Ask", "hi"), headers(3, [["a", "b"]], flag.endHeaders | flag.endStream));
    expect(waiting.seen()).toEqual(["1 reset 5", "3 reset 5"]);
  });

  it("DATA on a stream that both have ended: STREAM_CLOSED", () => {
    const peer = open().send(request(1, "Ask", "hi"), data(1, message("more")));
    expect(peer.seen()).toEqual([...wants(1), "1 reset 5"]);
  });

  it("DATA and trailers that were under way when we reset the stream are overlooked", () => {
    const peer = open().send(without(":path"), data(1, message("a")), headers(1, [["a", "b"]], flag.endHeaders | flag.endStream));
    expect(peer.seen()).toEqual(["1 reset 1"]);
    expect(peer.send(request(3, "Ask", "hi")).seen()).toEqual(wants(3));
  });
});

describe("what HTTP/2 allows is taken", () => {
  it.each([
    [
      "padding",
      Buffer.concat([
        frame(frameType.headers, flag.endHeaders | flag.padded, 1, padded(block, 7)),
        data(1, padded(message("hi"), 3), flag.endStream | flag.padded),
      ]),
    ],
    [
      "padding of no bytes",
      Buffer.concat([headers(1, requestFields("Ask")), data(1, padded(message("hi"), 0), flag.endStream | flag.padded)]),
    ],
    [
      "priorities",
      Buffer.concat([
        frame(frameType.headers, flag.endHeaders | flag.priority, 1, Buffer.concat([uint32Bytes(7), Buffer.from([9]), block])),
        data(1, message("hi"), flag.endStream),
      ]),
    ],
    [
      "PRIORITY for streams in any state",
      Buffer.concat([
        frame(frameType.priority, 0, 9, Buffer.alloc(5)),
        request(1, "Ask", "hi"),
        frame(frameType.priority, 0, 1, Buffer.alloc(5)),
      ]),
    ],
    [
      "header blocks in several frames",
      Buffer.concat([
        frame(frameType.headers, 0, 1, block.subarray(0, 3)),
        frame(frameType.continuation, 0, 1, block.subarray(3, 9)),
        frame(frameType.continuation, flag.endHeaders, 1, block.subarray(9)),
        data(1, message("hi"), flag.endStream),
      ]),
    ],
    [
      "unknown frames and flags",
      Buffer.concat([
        frame(0xbe, 0xff, 1, Buffer.alloc(3)),
        headers(1, requestFields("Ask"), flag.endHeaders | 0x40),
        frame(0xbe, 0, 1),
        data(1, message("hi"), flag.endStream | 0x80),
      ]),
    ],
    ["unknown settings", Buffer.concat([settings([0x99, 1]), request(1, "Ask", "hi")])],
    [
      "trailers of a request",
      Buffer.concat([headers(1, requestFields("Ask")), data(1, message("hi")), headers(1, [["a", "b"]], flag.endHeaders | flag.endStream)]),
    ],
    [
      "an end in a frame of its own",
      Buffer.concat([headers(1, requestFields("Ask")), data(1, message("hi")), data(1, Buffer.alloc(0), flag.endStream)]),
    ],
    ["the reserved bit", Buffer.concat([headers(1, requestFields("Ask")), data(1 + 2 ** 31, message("hi"), flag.endStream)])],
    [
      "a whole URL as :authority, as grpc-go's older clients send it",
      Buffer.concat([
        headers(
          1,
          requestFields("Ask").map(([name, value]) => [name, name === ":authority" ? "https://127.0.0.1:2379" : value] as const),
        ),
        data(1, message("hi"), flag.endStream),
      ]),
    ],
    [
      "no :authority",
      Buffer.concat([
        headers(
          1,
          requestFields("Ask").filter(([name]) => name !== ":authority"),
        ),
        data(1, message("hi"), flag.endStream),
      ]),
    ],
    [
      "RST_STREAM and WINDOW_UPDATE for a stream that has ended",
      Buffer.concat([
        request(1, "Ask", "hi"),
        frame(frameType.rstStream, 0, 1, uint32Bytes(8)),
        frame(frameType.windowUpdate, 0, 1, uint32Bytes(8)),
      ]),
    ],
    [
      "GOAWAY of a client that still wants its answers",
      Buffer.concat([frame(frameType.goAway, 0, 0, Buffer.alloc(8)), request(1, "Ask", "hi")]),
    ],
  ])("%s", (_what, bytes) => {
    expect(
      open()
        .send(bytes)
        .seen()
        .filter((text) => text !== "settings ack"),
    ).toEqual(wants(1));
  });

  it("answers PING with its bytes", () => {
    expect(
      open()
        .send(frame(frameType.ping, 0, 0, Buffer.from("12345678")))
        .seen(),
    ).toEqual(["ping ack 12345678"]);
  });

  it("begins the next header block with a table size update when the client has made its table smaller", () => {
    const peer = open().send(settings([setting.headerTableSize, 0]), request(1, "Ask", "hi"), request(3, "Ask", "hi"));
    const blocks = peer.frames().filter(({ type }) => type === frameType.headers);
    expect(blocks.map(({ payload }) => payload[0])).toEqual([0x20, 0x00, 0x88, 0x00]);
  });

  it("understands a client that uses the dynamic table, before and after its header blocks repeat", () => {
    const seen: (string | undefined)[] = [];
    const peer = RawPeer.open({ ask: (_text, call) => String(seen.push(call.metadata.get("user"))) });
    // Literal with indexing: the next block refers to it, then a new value takes the same place.
    const literal = (value: string) =>
      Buffer.concat([Buffer.from([0x40, 4]), Buffer.from("user"), Buffer.from([value.length]), Buffer.from(value)]);
    const ask = (id: number, field: Buffer) =>
      Buffer.concat([
        frame(frameType.headers, flag.endHeaders, id, Buffer.concat([block, field])),
        data(id, message("hi"), flag.endStream),
      ]);
    const newest = Buffer.from([0xbe]);
    peer.send(ask(1, literal("anna")), ask(3, newest), ask(5, newest), ask(7, literal("ben")), ask(9, newest), ask(11, newest));
    expect(seen).toEqual(["anna", "anna", "anna", "ben", "ben", "ben"]);
  });
});

describe("limits of streams", () => {
  it("refuses calls beyond the largest number at once, and takes new ones when others end", () => {
    const peer = RawPeer.open({ talk: (stream) => (stream.onHalfClose = () => stream.end()) });
    const talks = Array.from({ length: concurrentStreamsMax }, (_, n) => headers(2 * n + 1, requestFields("Talk")));
    peer.send(...talks);
    expect(peer.seen()).toEqual([]);
    const next = 2 * concurrentStreamsMax + 1;
    expect(peer.send(headers(next, requestFields("Talk"))).seen()).toEqual([`${next} reset 7`]);
    expect(peer.send(data(1, Buffer.alloc(0), flag.endStream)).seen()).toEqual(["1 headers :status=200 grpc-status=0 end"]);
    expect(peer.send(headers(next + 2, requestFields("Talk"))).seen()).toEqual([]);
  });
});
