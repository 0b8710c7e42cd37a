import { gzipSync } from "node:zlib";
import type { RpcDuplexStream } from "../../port.js";
import { data, frame, headers, message, RawPeer, request, requestFields, uint32Bytes } from "../../testing/raw-peer.js";
import { pathOf, TextError, textService } from "../../testing/text-service.js";
import { flag, frameType } from "./frames.js";
import { drainPingTimeoutMs, lingerMs } from "./limits.js";
import { encodeDetails } from "./status.js";

const never = new Promise<never>(() => {});
const ping = (text = "12345678"): Buffer => frame(frameType.ping, 0, 0, Buffer.from(text));
const ask = (id: number, ...extra: readonly (readonly [string, string])[]): Buffer => request(id, "Ask", "hi", extra);
/** The only header block of the answer to one request. */
const refused = (bytes: Buffer, receiveBytesMax = 100): string[] =>
  RawPeer.open({ ask: (text) => text }, { receiveBytesMax })
    .send(bytes)
    .seen();

describe("answers without a handler are one header block, with grpc-go's words", () => {
  it.each([
    ["an unknown service", "/a.B/C", "unknown service a.B"],
    ["an unknown method", "/lenj.test.Text/C", "unknown method C for service lenj.test.Text"],
    ["a method without a handler", pathOf("Missing"), "unknown method Missing for service lenj.test.Text"],
    ["a path without a service", "/C", 'malformed method name: "/C"'],
    ["a path that is none", "*", 'malformed method name: "*"'],
  ])("%s", (_what, path, details) => {
    const fields = requestFields("Ask").map(([name, value]) => [name, name === ":path" ? path : value] as const);
    const seen = refused(Buffer.concat([headers(1, fields), data(1, message("hi"), flag.endStream)]));
    expect(seen[0]).toBe(`1 headers :status=200 grpc-status=12 grpc-message=${details} end`);
    // The client had not ended its stream yet: it is told that the rest is not wanted.
    expect(seen.slice(1)).toEqual(["1 reset 0"]);
  });

  it("a content-type that is not gRPC's", () => {
    const fields = (type: string) => requestFields("Ask").map(([name, value]) => [name, name === "content-type" ? type : value] as const);
    const send = (type: string): string => refused(headers(1, fields(type), flag.endHeaders | flag.endStream)).join();
    const details = 'grpc-status=13 grpc-message=invalid gRPC request content-type "application/grpcweb" end';
    expect(send("application/grpcweb")).toBe(`1 headers :status=415 ${details}`);
    for (const type of ["application/grpc", "application/grpc+proto", "application/grpc;x"]) expect(send(type)).toMatch(/grpc-status=12/);
  });

  it("a method that is not POST", () => {
    const fields = requestFields("Ask").map(([name, value]) => [name, name === ":method" ? "GET" : value] as const);
    expect(refused(headers(1, fields, flag.endHeaders | flag.endStream)).join()).toMatch(/^1 headers :status=405 grpc-status=13 /);
  });

  it("an unknown compression, naming those that are known", () => {
    expect(refused(ask(1, ["grpc-encoding", "snappy"]))[0]).toBe(
      "1 headers :status=200 grpc-accept-encoding=identity,gzip grpc-status=12 " +
        'grpc-message=grpc: Decompressor is not installed for grpc-encoding "snappy" end',
    );
  });

  it.each([
    ["1", 'transport: timeout string is too short: "1"'],
    ["123456789S", 'transport: timeout string is too long: "123456789S"'],
    ["12s", 'transport: timeout unit is not recognized: "12s"'],
    ["1x2S", 'strconv.ParseInt: parsing "1x2": invalid syntax'],
  ])("a timeout of %s", (text, details) => {
    expect(refused(ask(1, ["grpc-timeout", text]))[0]).toBe(
      `1 headers :status=200 grpc-status=13 grpc-message=transport: malformed time-out: ${details} end`,
    );
  });
});

describe("messages", () => {
  const send = (...payloads: readonly Buffer[]): string =>
    refused(Buffer.concat([headers(1, requestFields("Ask", [["grpc-encoding", "gzip"]])), ...payloads])).join(" | ");
  const last = (bytes: Buffer): Buffer => data(1, bytes, flag.endStream);

  it("refuses one above the limit before it has come", () => {
    const large = Buffer.concat([Buffer.from([0]), uint32Bytes(101)]);
    expect(send(data(1, large))).toBe(
      "1 headers :status=200 grpc-status=8 grpc-message=grpc: received message larger than max (101 vs. 100) end | 1 reset 0",
    );
  });

  it("refuses a second one for a method that takes one", () => {
    expect(send(data(1, message("a")), data(1, message("b")))).toMatch(/grpc-status=12 grpc-message=Received a second request message/);
  });

  it("refuses one that is cut off", () => {
    expect(send(last(message("abc").subarray(0, 6)))).toBe("1 headers :status=200 grpc-status=13 grpc-message=unexpected EOF end");
  });

  it("unpacks gzip, and says what is wrong with it", () => {
    expect(send(last(message(gzipSync("packed"), 1)))).toContain("packed");
    expect(send(last(message("not packed", 1)))).toMatch(/grpc-status=13 grpc-message=grpc: failed to decompress the received message /);
    expect(send(last(message(gzipSync(Buffer.alloc(1_000)), 1)))).toMatch(
      /grpc-status=8 grpc-message=grpc: received message larger than max/,
    );
    expect(send(last(message("a", 2)))).toMatch(/grpc-status=13 grpc-message=grpc: received unexpected payload format 2 end/);
    const plain = refused(Buffer.concat([headers(1, requestFields("Ask")), last(message(gzipSync("a"), 1))])).join();
    expect(plain).toMatch(/grpc-status=13 grpc-message=grpc: compressed flag set with identity or empty encoding end/);
  });

  it("takes empty ones", () => {
    expect(send(last(message("")))).toMatch(/ data .* \| 1 headers grpc-status=0 end$/);
  });

  it("percent-encodes what is not printable ASCII", () => {
    expect(encodeDetails("a%b\n☃ ~")).toBe("a%25b%0A%E2%98%83 ~");
  });

  it("sends details larger than a frame in several", () => {
    const details = "x".repeat(40_000);
    const peer = RawPeer.open({ ask: () => Promise.reject(new TextError(2, details)) }).send(ask(1));
    return peer.seenLater().then((seen) => {
      expect(seen).toHaveLength(3);
      expect(seen.at(-1)).toContain(details);
    });
  });
});

describe("what a handler throws ends its own call", () => {
  it("at the start, at a message, at the end, while it is told of room, and when it is over", async () => {
    const boom = (): never => {
      throw new TextError(9, "boom");
    };
    let turn = 0;
    const peer = RawPeer.open({
      talk: (stream) => {
        turn += 1;
        if (turn === 1) boom();
        if (turn === 2) stream.onMessage = boom;
        if (turn === 3) stream.onHalfClose = boom;
        stream.onClose = boom;
      },
    });
    for (const id of [1, 3, 5, 7])
      peer.send(headers(id, requestFields("Talk")), data(id, message("a")), data(id, Buffer.alloc(0), flag.endStream));
    const failed = (id: number): string => `${id} headers :status=200 grpc-status=9 grpc-message=boom end`;
    expect((await peer.seenLater()).filter((text) => text.includes("headers"))).toEqual([failed(1), failed(3), failed(5)]);
  });

  it("in a codec, and in what turns errors into statuses", async () => {
    const peer = RawPeer.open(
      { ask: (text) => (text === "hi" ? (3 as never) : Promise.reject(new Error("x"))) },
      {
        toStatus: () => {
          throw new Error("no status");
        },
      },
    );
    peer.driver.addService(
      { ask: { ...(textService["ask"] as (typeof textService)["ask"] & object), responseSerialize: (): never => fail("no bytes") } },
      { ask: () => "" },
    );
    expect(peer.send(ask(1)).seen()).toEqual([
      "1 headers :status=200 grpc-status=13 grpc-message=grpc: error while marshaling: no bytes end",
    ]);
    const other = RawPeer.open({ ask: () => Promise.reject(new Error("x")) }, { toStatus: () => fail("no status") });
    other.send(ask(1));
    expect(await other.seenLater()).toEqual(["1 headers :status=200 grpc-status=2 end"]);
  });
});

function fail(text: string): never {
  throw new Error(text);
}

describe("deadlines", () => {
  it("end calls when they pass, each at its time, with one answer", async () => {
    const aborted: string[] = [];
    const peer = RawPeer.open({
      ask: (_text, call) => {
        call.signal.addEventListener("abort", () => aborted.push(call.metadata.get("n") ?? ""));
        return never;
      },
    });
    peer.send(ask(1, ["grpc-timeout", "2S"], ["n", "a"]), ask(3, ["grpc-timeout", "500m"], ["n", "b"]), ask(5, ["grpc-timeout", "1H"]));
    const passed = (id: number): string => `${id} headers :status=200 grpc-status=4 grpc-message=context deadline exceeded end`;
    peer.clock.advance(499);
    expect(await peer.seenLater()).toEqual([]);
    peer.clock.advance(1);
    expect(await peer.seenLater()).toEqual([passed(3)]);
    peer.clock.advance(1_500);
    expect(await peer.seenLater()).toEqual([passed(1)]);
    expect(aborted).toEqual(["b", "a"]);
  });

  it("that have passed already end the call at once; the longest possible one does not", async () => {
    const peer = RawPeer.open({ ask: () => never });
    peer.send(ask(1, ["grpc-timeout", "1n"]), ask(3, ["grpc-timeout", "99999999H"]));
    peer.clock.advance(1);
    expect(await peer.seenLater()).toHaveLength(1);
  });

  it("cut off an answer that the client gives no room for", async () => {
    const peer = RawPeer.open({ ask: () => "x".repeat(70_000) });
    peer.send(ask(1, ["grpc-timeout", "1S"])).frames();
    peer.clock.advance(1_000);
    expect(await peer.seenLater()).toEqual(["1 reset 8"]);
    // Nothing is left of it.
    expect(peer.send(frame(frameType.windowUpdate, 0, 0, uint32Bytes(100_000))).seen()).toEqual([]);
  });
});

describe("calls and their connection", () => {
  it("tells handlers once when the client goes away", () => {
    const ends: string[] = [];
    const done: string[] = [];
    let stream: RpcDuplexStream<string, string> | undefined;
    const peer = RawPeer.open(
      {
        ask: (_text, call) => {
          call.signal.addEventListener("abort", () => ends.push("aborted"));
          return never;
        },
        talk: (given) => {
          stream = given;
          given.onClose = () => ends.push("closed");
        },
      },
      { onDone: (path, code, tookMs) => void done.push(`${path} ${code} ${tookMs}`) },
    );
    peer.send(ask(1), headers(3, requestFields("Talk")));
    peer.clock.advance(7);
    peer.socket.emit("end");
    expect(ends).toEqual(["aborted", "closed"]);
    expect(done).toEqual([`${pathOf("Ask")} 1 7`, `${pathOf("Talk")} 1 7`]);
    expect(stream?.signal.aborted).toBe(true);
    stream?.write("late");
    stream?.end();
    expect(peer.clock.nextDueInMs()).toBeUndefined();
  });

  it("sends answers that become ready in one turn in one piece", async () => {
    const ready: ((text: string) => void)[] = [];
    const peer = RawPeer.open({ ask: () => new Promise((resolve) => ready.push(resolve)) });
    for (let n = 0; n < 50; n++) peer.send(ask(2 * n + 1));
    for (const resolve of ready) resolve("now");
    await new Promise((resolve) => setImmediate(resolve));
    expect(peer.socket.written).toHaveLength(1);
    expect(peer.frames()).toHaveLength(150);
  });
});

describe("keepalive, with etcd's values", () => {
  it("overlooks two pings too early, then ends the connection with too_many_pings", () => {
    const peer = RawPeer.open({ talk: () => {} }).send(headers(1, requestFields("Talk")));
    expect(peer.send(ping(), ping(), ping()).seen()).toHaveLength(3);
    expect(peer.send(ping()).seen().at(-1)).toBe("goaway 1 11 too_many_pings");
  });

  it("takes pings every five seconds while calls are open, and only every two hours while none are", () => {
    const talking = RawPeer.open({ talk: () => {} }).send(headers(1, requestFields("Talk")));
    const idle = RawPeer.open();
    for (let n = 0; n < 10; n++) {
      for (const peer of [talking, idle]) peer.clock.advance(5_000), peer.send(ping());
    }
    expect(talking.seen().at(-1)).toMatch(/^ping ack/);
    expect(idle.seen().at(-1)).toBe("goaway 0 11 too_many_pings");
  });

  it("looks for dead clients never, and takes pings as often, as it is told", () => {
    const keepAlive = { pingIntervalMsMin: 1_000, pingAfterMs: Number.POSITIVE_INFINITY, pingTimeoutMs: 20_000 };
    const peer = RawPeer.open({ talk: () => {} }, { keepAlive }).send(headers(1, requestFields("Talk")));
    for (let n = 0; n < 10; n++) peer.clock.advance(1_000), peer.send(ping());
    peer.clock.advance(10 * 7_200_000);
    expect(peer.seen().filter((text) => !text.startsWith("ping ack"))).toEqual([]);
  });

  it("does not count pings around answers, by which clients measure the line", () => {
    const peer = RawPeer.open({ ask: (text) => text, talk: (stream) => void (stream.onMessage = (text) => stream.write(text)) });
    for (let n = 0; n < 50; n++) peer.send(ask(2 * n + 1), ping());
    peer.send(headers(101, requestFields("Talk")));
    for (let n = 0; n < 50; n++) peer.send(data(101, message("a")), ping());
    expect(peer.seen().some((text) => text.startsWith("goaway"))).toBe(false);
  });

  it("asks a silent client for a sign of life after two hours, and closes when none comes within twenty seconds", () => {
    const peer = RawPeer.open({ talk: () => {} }).send(headers(1, requestFields("Talk")));
    peer.clock.advance(2 * 7_200_000 - 1);
    expect(peer.socket.written).toHaveLength(0);
    peer.clock.advance(1);
    return peer.seenLater().then((seen) => {
      expect(seen).toHaveLength(1);
      peer.clock.advance(20_000);
      expect(peer.socket.destroyed).toBe(true);
    });
  });

  it("closes connections without calls when it is told to", async () => {
    const keepAlive = { pingIntervalMsMin: 5_000, pingAfterMs: 7_200_000, pingTimeoutMs: 20_000, idleMsMax: 1_000 };
    const peer = RawPeer.open({ ask: (text) => text }, { keepAlive });
    peer.clock.advance(900);
    peer.send(ask(1)).seen();
    peer.clock.advance(900);
    expect(await peer.seenLater()).toEqual([]);
    peer.clock.advance(100);
    expect((await peer.seenLater())[0]).toBe("goaway 2147483647 0 graceful_stop");
  });
});

describe("draining (RFC 9113, section 6.8)", () => {
  it("takes calls that were under way, then no more, and closes after the last", async () => {
    const ready: ((text: string) => void)[] = [];
    const peer = RawPeer.open({ ask: () => new Promise((resolve) => ready.push(resolve)) });
    peer.send(ask(1));
    let isDrained = false;
    const drained = peer.driver.drain().then(() => (isDrained = true));
    expect(await peer.seenLater()).toEqual(["goaway 2147483647 0 graceful_stop", "ping drained?"]);
    peer.send(ask(3), frame(frameType.ping, flag.ack, 0, Buffer.from("drained?")));
    expect(peer.seen()).toEqual(["goaway 3 0"]);
    // Beyond the last: not looked at, and no error either.
    expect(peer.send(ask(5), data(5, message("more"))).seen()).toEqual([]);
    for (const resolve of ready) resolve("done");
    expect((await peer.seenLater()).filter((text) => text.endsWith("end"))).toHaveLength(2);
    expect(peer.socket.writableEnded).toBe(true);
    expect(isDrained).toBe(false);
    peer.clock.advance(lingerMs);
    await drained;
  });

  it("does not wait for ever for the client to answer the PING", async () => {
    const peer = RawPeer.open();
    const drained = peer.driver.drain();
    peer.clock.advance(drainPingTimeoutMs);
    expect((await peer.seenLater()).at(-1)).toBe("goaway 0 0");
    peer.clock.advance(lingerMs);
    await drained;
  });
});
