import type { RpcDuplexStream, RpcServerStream } from "../../port.js";
import { data, frame, headers, message, RawPeer, request, requestFields, settings, uint32Bytes } from "../../testing/raw-peer.js";
import { flag, frameType, setting } from "./frames.js";
import { connectionWindowBytes, streamQueueBytesHigh, streamWindowBytes, unfinishedBytesMax } from "./limits.js";

const window = (id: number, bytes: number): Buffer => frame(frameType.windowUpdate, 0, id, uint32Bytes(bytes));
const dataBytes = (peer: RawPeer, id: number): number =>
  peer.frames().reduce((sum, found) => sum + (found.type === frameType.data && found.id === id ? found.payload.length : 0), 0);

describe("sending (RFC 9113, section 5.2)", () => {
  const opened = (bytes: number): { peer: RawPeer; stream: RpcServerStream<string> } => {
    let stream: RpcServerStream<string> | undefined;
    const peer = RawPeer.open({ list: (_text, given) => void (stream = given) });
    peer.send(settings([setting.initialWindowSize, bytes]), request(1, "List", "all"));
    peer.frames();
    return { peer, stream: stream as RpcServerStream<string> };
  };

  it("sends no more than the stream's window, and the rest as it grows", async () => {
    const { peer, stream } = opened(10);
    stream.write("0123456789");
    stream.end();
    expect(await peer.seenLater()).toEqual(["1 headers :status=200", '1 data "\\u0000\\u0000\\u0000\\u0000\\n01234"']);
    expect(peer.send(window(1, 3)).seen()).toEqual(['1 data "567"']);
    expect(peer.send(window(1, 100)).seen()).toEqual(['1 data "89"', "1 headers grpc-status=0 end"]);
  });

  it("sends trailers without any window", async () => {
    const { peer, stream } = opened(0);
    stream.end();
    expect(await peer.seenLater()).toEqual(["1 headers :status=200 grpc-status=0 end"]);
  });

  it("follows a window that the client makes negative and then positive again", async () => {
    const { peer, stream } = opened(20);
    stream.write("0123456789");
    await peer.seenLater();
    peer.send(settings([setting.initialWindowSize, 5]));
    stream.write("ab");
    expect(await peer.seenLater()).toEqual(["settings ack"]);
    expect(peer.send(window(1, 9)).seen()).toEqual([]);
    expect(peer.send(window(1, 3)).seen()).toEqual(['1 data "\\u0000\\u0000"']);
    expect(
      peer
        .send(settings([setting.initialWindowSize, 100]))
        .seen()
        .sort(),
    ).toEqual(['1 data "\\u0000\\u0000\\u0002ab"', "settings ack"]);
  });

  it("ends the connection when a setting takes a window above 2^31-1", () => {
    const { peer } = opened(100);
    peer.send(window(1, 2 ** 31 - 1 - 100));
    expect(
      peer
        .send(settings([setting.initialWindowSize, 101]))
        .seen()
        .at(-1),
    ).toMatch(/^goaway 1 3 /);
  });

  it("shares the connection's window: streams take turns", async () => {
    const streams: RpcServerStream<string>[] = [];
    const peer = RawPeer.open({ list: (_text, stream) => void streams.push(stream) });
    peer.send(settings([setting.initialWindowSize, 2 ** 20]), request(1, "List", "all"), request(3, "List", "all"));
    for (const stream of streams) stream.write("x".repeat(100_000));
    await peer.seenLater();
    peer.send(window(0, 65_536));
    const turns = peer.frames().map(({ id, payload }) => [id, payload.length]);
    expect(turns).toHaveLength(4);
    expect(new Set(turns.map(([id]) => id))).toEqual(new Set([1, 3]));
    expect(turns.reduce((sum, [, length]) => sum + (length ?? 0), 0)).toBe(65_536);
  });

  it("cuts messages to the client's frame size and keeps their bytes in order", async () => {
    const { peer, stream } = opened(2 ** 20);
    peer.send(window(0, 2 ** 20));
    const text = Array.from({ length: 20_000 }, (_, n) => String.fromCharCode(97 + (n % 26))).join("");
    stream.write(text);
    stream.write("");
    stream.write("tail");
    stream.end();
    await new Promise((resolve) => setImmediate(resolve));
    const frames = peer.frames().filter(({ type }) => type === frameType.data);
    expect(frames.every(({ payload }) => payload.length <= 16_384)).toBe(true);
    expect(Buffer.concat(frames.map(({ payload }) => payload))).toEqual(Buffer.concat([message(text), message(""), message("tail")]));
  });

  it("tells a writer to wait when its client gives no room, and to go on once there is", async () => {
    const { peer, stream } = opened(0);
    let drains = 0;
    stream.onDrain = () => void (drains += 1);
    const piece = "x".repeat(10_000);
    let pieces = 1;
    while (stream.write(piece)) pieces += 1;
    expect(pieces).toBe(Math.ceil(streamQueueBytesHigh / (piece.length + 5)));
    expect(stream.needsDrain).toBe(true);
    await peer.seenLater();
    peer.send(window(1, 65_535));
    expect([drains, stream.needsDrain, dataBytes(peer, 1)]).toEqual([1, false, 65_535]);
  });

  it("forgets what waits when the client resets the stream", async () => {
    const { peer, stream } = opened(0);
    let closes = 0;
    stream.onClose = () => void (closes += 1);
    stream.write("never seen");
    peer.send(frame(frameType.rstStream, 0, 1, uint32Bytes(8)));
    expect(stream.write("late")).toBe(true);
    peer.send(window(0, 1_000));
    expect(await peer.seenLater()).toEqual(["1 headers :status=200"]);
    expect(closes).toBe(1);
  });
});

describe("receiving", () => {
  const opened = (): { peer: RawPeer; stream: RpcDuplexStream<string, string>; texts: string[] } => {
    const texts: string[] = [];
    let stream: RpcDuplexStream<string, string> | undefined;
    const peer = RawPeer.open({
      talk: (given) => {
        stream = given;
        given.onMessage = (text) => texts.push(text);
      },
    });
    peer.send(headers(1, requestFields("Talk")));
    return { peer, stream: stream as RpcDuplexStream<string, string>, texts };
  };
  const piece = message("x".repeat(16_379));

  it("tops windows up by halves", () => {
    const { peer } = opened();
    const half = streamWindowBytes / piece.length / 2;
    for (let n = 1; n < half; n++) peer.send(data(1, piece));
    expect(peer.seen()).toEqual([]);
    expect(peer.send(data(1, piece)).seen()).toEqual([`1 window ${streamWindowBytes / 2}`]);
  });

  it("counts padding", () => {
    const { peer } = opened();
    const half = streamWindowBytes / 2;
    const wasteful = data(1, Buffer.concat([Buffer.from([255]), Buffer.alloc(255)]), flag.padded);
    peer.send(Buffer.concat(Array.from({ length: half / 256 }, () => wasteful)));
    expect(peer.seen()).toEqual([`1 window ${half}`]);
  });

  it("gives a paused stream no more room, and all of it again when it goes on", () => {
    const { peer, stream, texts } = opened();
    stream.pause();
    const fits = streamWindowBytes / piece.length;
    for (let n = 0; n < fits; n++) peer.send(data(1, piece));
    expect([peer.seen(), texts.length]).toEqual([[], fits]);
    stream.resume();
    return peer.seenLater().then((seen) => expect(seen).toEqual([`1 window ${streamWindowBytes}`]));
  });

  it("ends a stream whose client sends more than its window", () => {
    const { peer, stream } = opened();
    stream.pause();
    for (let n = 0; n <= streamWindowBytes / piece.length; n++) peer.send(data(1, piece));
    expect(peer.seen()).toEqual(["1 reset 3"]);
  });

  it("gives the connection's window back as DATA comes: what one stream holds up does not hold up others", () => {
    const peer = RawPeer.open({ talk: (stream) => stream.pause() });
    let window = connectionWindowBytes;
    for (let id = 1; id < 2 * (connectionWindowBytes / streamWindowBytes) + 5; id += 2) {
      peer.send(headers(id, requestFields("Talk")));
      for (let sent = 0; sent < streamWindowBytes; sent += piece.length) peer.send(data(id, piece));
      window -= streamWindowBytes;
      for (const text of peer.seen()) if (text.startsWith("0 window ")) window += Number(text.slice(9));
      expect(window).toBeGreaterThanOrEqual(connectionWindowBytes / 2);
    }
  });

  it("gives back the connection's window for streams that have ended", () => {
    const peer = RawPeer.open();
    peer.send(headers(1, []));
    for (let sent = 0; sent < connectionWindowBytes / 2; sent += piece.length) peer.send(data(1, piece));
    expect(peer.seen()).toEqual(["1 reset 1", `0 window ${connectionWindowBytes / 2}`]);
  });

  it("holds back room while too much is unfinished, except from the first, and gives it when that has ended", () => {
    const bytesMax = 2 * unfinishedBytesMax;
    const peer = RawPeer.open({ collect: () => {} }, { receiveBytesMax: bytesMax });
    const begin = message(Buffer.alloc(0));
    begin.writeUInt32BE(bytesMax, 1);
    const feed = (id: number, bytes: number): string[] => {
      for (let sent = 0; sent < bytes; sent += 16_384) peer.send(data(id, Buffer.alloc(16_384)));
      return peer.seen().filter((text) => text.startsWith(`${id} window`));
    };
    for (const id of [1, 3]) peer.send(headers(id, requestFields("Collect")), data(id, begin));
    feed(1, 16_384);
    // The second holds nearly all that may be held; it gets room until then, and none from then on.
    const granted = feed(3, unfinishedBytesMax);
    expect(granted.length).toBeGreaterThan(100);
    expect(feed(3, streamWindowBytes / 2)).toEqual([]);
    expect(feed(1, streamWindowBytes)).not.toEqual([]);
    peer.send(frame(frameType.rstStream, 0, 1, uint32Bytes(8)));
    expect(peer.seen().filter((text) => text.startsWith("3 window"))).toHaveLength(1);
  });
});
