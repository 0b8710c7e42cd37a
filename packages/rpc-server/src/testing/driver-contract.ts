import { connect } from "node:http2";
import { gzipSync } from "node:zlib";
import { Metadata } from "@grpc/grpc-js";
import type { RpcDuplexStream, RpcServerStream } from "../port.js";
import {
  allOf,
  type DriverFactory,
  failureOf,
  pathOf,
  receiveBytesMax,
  startTextServer,
  TextError,
  type TextHandlers,
  type TextServer,
  until,
} from "./text-service.js";

const never = new Promise<never>(() => {});
const big = "x".repeat(300_000);

/** What every driver owes its services and their clients. On real sockets, with the client of @grpc/grpc-js and with node:http2's. */
export function runRpcServerContract(name: string, factory: DriverFactory): void {
  describe(`${name} as a gRPC server`, () => {
    let server: TextServer;
    const start = async (handlers: TextHandlers, options: Parameters<typeof startTextServer>[2] = {}): Promise<TextServer> =>
      (server = await startTextServer(factory, handlers, options));
    afterEach(() => server.close());

    describe("unary calls", () => {
      it("answers with what the handler returns, at once or later", async () => {
        const { client } = await start({ ask: (text) => (text === "later" ? Promise.resolve("then") : `now ${text}`) });
        const own = client();
        expect(await own.ask("a")).toBe("now a");
        expect(await own.ask("later")).toBe("then");
      });

      it("carries many calls at once on one connection", async () => {
        const { client, done } = await start({ ask: async (text) => text });
        const own = client();
        const texts = Array.from({ length: 300 }, (_, n) => `message ${n}`);
        expect(await Promise.all(texts.map((text) => own.ask(text)))).toEqual(texts);
        expect(done).toHaveLength(300);
      });

      it("carries messages larger than frames and windows, both ways", async () => {
        const { client } = await start({ ask: (text) => text + text });
        const own = client();
        const answers = await Promise.all([1, 2, 3].map((n) => own.ask(`${n}${big}`)));
        expect(answers.map((answer, position) => answer === `${position + 1}${big}`.repeat(2))).toEqual([true, true, true]);
      });

      it("tells the client what the owner says of an error, whatever its letters", async () => {
        const { client, done } = await start({
          ask: (text) => {
            if (text === "sync") throw new TextError(5, "100 % nöt\nfound ☃");
            return Promise.reject(new TextError(9, "etcdserver: too many requests"));
          },
        });
        const own = client();
        expect(await failureOf(own.ask("sync"))).toBe("5 100 % nöt\nfound ☃");
        expect(await failureOf(own.ask("async"))).toBe("9 etcdserver: too many requests");
        expect(done).toEqual([`${pathOf("Ask")} 5`, `${pathOf("Ask")} 9`]);
      });

      it("shows the handler the path, the peer and the metadata", async () => {
        const seen: unknown[] = [];
        const { client } = await start({
          ask: (_text, call) => {
            seen.push(call.path, call.peer.commonName, call.metadata.get("token"), call.metadata.get("absent"));
            return call.peer.address;
          },
        });
        const metadata = new Metadata();
        metadata.set("token", "secret");
        expect(await client().ask("hello", { metadata })).toMatch(/^127\.0\.0\.1:\d+$/);
        expect(seen).toEqual([pathOf("Ask"), undefined, "secret", undefined]);
      });

      it("asks the owner before each call, who may refuse it", async () => {
        const { client } = await start(
          { ask: () => "asked", list: (_text, stream) => stream.end() },
          {
            onCall: (call) => {
              if (call.metadata.get("token") === undefined) throw new TextError(16, "no token");
            },
          },
        );
        const own = client();
        expect(await failureOf(own.ask("hello"))).toBe("16 no token");
        expect(await failureOf(allOf(own.list("hello")))).toBe("16 no token");
        const metadata = new Metadata();
        metadata.set("token", "t");
        expect(await own.ask("hello", { metadata })).toBe("asked");
      });

      it("aborts the signal when the client cancels", async () => {
        let signal: AbortSignal | undefined;
        const { client } = await start({
          ask: (_text, call) => {
            signal = call.signal;
            return never;
          },
        });
        const call = client().startAsk("hello");
        await until(() => signal !== undefined);
        expect(signal?.aborted).toBe(false);
        call.cancel();
        expect(await failureOf(call.answer)).toMatch(/^1 /);
        await until(() => signal?.aborted === true);
      });

      it("aborts the signal when the connection ends", async () => {
        let signal: AbortSignal | undefined;
        const { client } = await start({
          list: (_text, stream) => {
            signal = stream.signal;
            stream.write("first");
          },
        });
        const own = client();
        const stream = own.list("hello");
        stream.on("error", () => {});
        await new Promise((resolve) => stream.once("data", resolve));
        stream.cancel();
        own.close();
        await until(() => signal?.aborted === true);
      });

      it("gives up when the deadline passes, and says so to the handler", async () => {
        let signal: AbortSignal | undefined;
        const { client } = await start({
          ask: (_text, call) => {
            signal = call.signal;
            return never;
          },
        });
        expect(await failureOf(client().ask("hello", { deadline: Date.now() + 100 }))).toMatch(/^4 /);
        await until(() => signal?.aborted === true);
      });

      it("refuses a message above the limit with RESOURCE_EXHAUSTED, and goes on", async () => {
        const { client } = await start({ ask: (text) => String(text.length) });
        const own = client();
        expect(await failureOf(own.ask("x".repeat(receiveBytesMax + 1)))).toMatch(
          /^8 .*received message larger than max \(1048577 vs\.? 1048576\)/i,
        );
        expect(await own.ask("x".repeat(receiveBytesMax))).toBe(String(receiveBytesMax));
      });

      it("refuses what it cannot decode with INTERNAL", async () => {
        const { client } = await start({ ask: () => "decoded" });
        expect(await failureOf(client().ask("undecodable"))).toMatch(/^13 /);
      });

      it("refuses unknown methods and services with UNIMPLEMENTED", async () => {
        const { client } = await start({ ask: () => "" });
        const own = client();
        expect(await failureOf(own.ask("hello", { path: "/no.Service/Ask" }))).toMatch(/^12 /);
        expect(await failureOf(own.ask("hello", { path: pathOf("Nothing") }))).toMatch(/^12 /);
        expect(await failureOf(own.ask("hello", { path: pathOf("Missing") }))).toMatch(/^12 /);
      });

      it("takes compressed messages", async () => {
        const { client } = await start({ ask: (text) => text });
        const gzip = 2;
        expect(await client({ "grpc.default_compression_algorithm": gzip }).ask(big)).toBe(big);
      });
    });

    describe("streams from the server", () => {
      it("delivers messages in order, then the end", async () => {
        const { client, done } = await start({
          list: (text, stream) => {
            for (let n = 0; n < Number(text); n++) stream.write(`${n}`);
            stream.end();
          },
        });
        const own = client();
        expect(await allOf(own.list("0"))).toEqual([]);
        expect(await allOf(own.list("1000"))).toEqual(Array.from({ length: 1_000 }, (_, n) => `${n}`));
        expect(done).toEqual([`${pathOf("List")} 0`, `${pathOf("List")} 0`]);
      });

      it("delivers what was written before a failure", async () => {
        const { client } = await start({
          list: (_text, stream) => {
            stream.write("one");
            stream.fail(new TextError(11, "compacted"));
          },
        });
        const stream = client().list("hello");
        const messages: string[] = [];
        stream.on("data", (message: string) => messages.push(message));
        const failure = new Promise((_, reject) => stream.on("error", reject));
        expect(await failureOf(failure)).toBe("11 compacted");
        expect(messages).toEqual(["one"]);
      });

      it("closes each stream once, whoever ends it, and takes no more writes", async () => {
        const closed: string[] = [];
        const streams: Record<string, RpcServerStream<string>> = {};
        const { client } = await start({
          list: (text, stream) => {
            streams[text] = stream;
            stream.onClose = () => closed.push(text);
            stream.write("open");
            if (text === "ended") stream.end();
            if (text === "failed") stream.fail(new TextError(2, ""));
          },
        });
        const own = client();
        expect(await allOf(own.list("ended"))).toEqual(["open"]);
        await failureOf(allOf(own.list("failed")));
        const cancelled = own.list("cancelled");
        cancelled.on("error", () => {});
        await new Promise((resolve) => cancelled.once("data", resolve));
        cancelled.cancel();
        await until(() => closed.includes("cancelled"));
        for (const stream of Object.values(streams)) {
          stream.write("late");
          stream.end();
          stream.fail(new Error("late"));
        }
        expect(closed).toEqual(["ended", "failed", "cancelled"]);
        expect(await allOf(own.list("ended"))).toEqual(["open"]);
      });

      it("makes a writer wait for a client that does not read, and tells it when to go on", async () => {
        const total = 400;
        const piece = "y".repeat(16_000);
        let written = 0;
        let waits = 0;
        const { client } = await start({
          list: (_text, stream) => {
            const fill = (): void => {
              while (written < total) {
                written += 1;
                if (!stream.write(piece)) {
                  expect(stream.needsDrain).toBe(true);
                  waits += 1;
                  return;
                }
              }
              stream.end();
            };
            stream.onDrain = fill;
            fill();
          },
        });
        const stream = client().list("hello");
        await until(() => waits > 0);
        // Nobody reads yet: far less than everything may be on its way.
        for (let turns = 0; turns < 200; turns++) await new Promise((resolve) => setImmediate(resolve));
        expect(written).toBeLessThan(total);
        const messages = await allOf(stream);
        expect(messages).toHaveLength(total);
        expect(messages.every((message) => message === piece)).toBe(true);
      });
    });

    describe("streams from the client", () => {
      it("delivers what comes and lets the handler answer when the client has ended", async () => {
        const { client } = await start({
          collect: (stream) => {
            const texts: string[] = [];
            stream.onMessage = (text) => texts.push(text);
            stream.onHalfClose = () => {
              stream.write(texts.join(","));
              stream.end();
            };
          },
        });
        const { call, answer } = client().collect();
        for (const text of ["a", "", "c"]) call.write(text);
        call.end();
        expect(await answer).toBe("a,,c");
      });

      it("fails the call when the handler throws at a message", async () => {
        const { client } = await start({
          collect: (stream) => {
            stream.onMessage = () => {
              throw new TextError(3, "no such thing");
            };
          },
        });
        const { call, answer } = client().collect();
        call.on("error", () => {});
        call.write("a");
        expect(await failureOf(answer)).toBe("3 no such thing");
      });
    });

    describe("streams both ways", () => {
      it("answers message by message until the client ends", async () => {
        const { client, done } = await start({
          talk: (stream) => {
            stream.onMessage = (text) => stream.write(`re: ${text}`);
            stream.onHalfClose = () => stream.end();
          },
        });
        const call = client().talk();
        const heard: string[] = [];
        call.on("data", (text: string) => {
          heard.push(text);
          if (heard.length < 100) call.write(`${heard.length}`);
          else call.end();
        });
        call.write("0");
        await new Promise((resolve) => call.on("end", resolve));
        expect(heard).toEqual(Array.from({ length: 100 }, (_, n) => `re: ${n}`));
        await until(() => done.length === 1);
        expect(done).toEqual([`${pathOf("Talk")} 0`]);
      });

      it("ends the call when the handler does, though the client has not", async () => {
        const { client } = await start({
          talk: (stream) => {
            stream.onMessage = () => stream.end();
          },
        });
        const call = client().talk();
        call.write("enough");
        expect(await allOf(call)).toEqual([]);
      });

      it("takes no more from the client while paused", async () => {
        let stream: RpcDuplexStream<string, string> | undefined;
        let receivedBytes = 0;
        const { client } = await start({
          talk: (opened) => {
            stream = opened;
            opened.onMessage = (text) => (receivedBytes += text.length);
            opened.onHalfClose = () => opened.end();
            opened.pause();
          },
        });
        const call = client().talk();
        const [pieces, piece] = [64, "z".repeat(64 * 1_024)];
        for (let n = 0; n < pieces; n++) call.write(piece);
        call.end();
        await until(() => stream !== undefined);
        for (let turns = 0; turns < 200; turns++) await new Promise((resolve) => setImmediate(resolve));
        expect(receivedBytes).toBeLessThan((pieces * piece.length) / 2);
        stream?.resume();
        await allOf(call);
        expect(receivedBytes).toBe(pieces * piece.length);
      });

      it("closes the stream when the client cancels", async () => {
        let isClosed = false;
        const { client } = await start({
          talk: (stream) => {
            stream.onClose = () => (isClosed = true);
            stream.write("hello");
          },
        });
        const call = client().talk();
        call.on("error", () => {});
        await new Promise((resolve) => call.once("data", resolve));
        call.cancel();
        await until(() => isClosed);
      });
    });

    describe("requests of other HTTP/2 clients", () => {
      it("answers 415 to what is not gRPC", async () => {
        const { port } = await start({ ask: () => "" });
        const { headers } = await rawRequest(port, { "content-type": "application/json" }, [Buffer.from("{}")]);
        expect(headers[":status"]).toBe(415);
      });

      it("takes a message in pieces of one byte", async () => {
        const { port } = await start({ ask: (text) => `${text}!` });
        const message = framed(Buffer.from("pieces"));
        const { body, trailers } = await rawRequest(
          port,
          {},
          [...message].map((byte) => Buffer.from([byte])),
        );
        expect(body).toEqual(framed(Buffer.from("pieces!")));
        expect(trailers["grpc-status"]).toBe("0");
      });

      it("fails a call without a message", async () => {
        const { port } = await start({ ask: () => "" });
        const { headers } = await rawRequest(port, {}, []);
        expect(headers["grpc-status"]).toBe("12");
      });

      it("refuses a message in a compression that it does not know", async () => {
        const { port } = await start({ ask: (text) => text });
        const { headers } = await rawRequest(port, { "grpc-encoding": "snappy" }, [framed(Buffer.from("a"), 1)]);
        expect(headers["grpc-status"]).toBe("12");
      });

      it("refuses what would unpack to more than the limit", async () => {
        const { port } = await start({ ask: (text) => text });
        const bomb = gzipSync(Buffer.alloc(receiveBytesMax * 2));
        const { headers } = await rawRequest(port, { "grpc-encoding": "gzip" }, [framed(bomb, 1)]);
        expect(headers["grpc-status"]).toBe("8");
      });
    });

    describe("the end", () => {
      it("drains: accepted calls end, then it is done", async () => {
        const waiting: ((answer: string) => void)[] = [];
        const { client, driver } = await start({ ask: () => new Promise((resolve) => waiting.push(resolve)) });
        const call = client().startAsk("hello");
        await until(() => waiting.length === 1);
        let isDrained = false;
        const drained = driver.drain().then(() => (isDrained = true));
        for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
        expect(isDrained).toBe(false);
        for (const resolve of waiting) resolve("done");
        expect(await call.answer).toBe("done");
        await drained;
      });

      it("closes: open streams end", async () => {
        let isClosed = false;
        const { client, driver } = await start({
          list: (_text, stream) => {
            stream.onClose = () => (isClosed = true);
            stream.write("open");
          },
        });
        const stream = client().list("hello");
        const failure = new Promise((_, reject) => stream.on("error", reject));
        await new Promise((resolve) => stream.once("data", resolve));
        await driver.close();
        await failureOf(failure);
        await until(() => isClosed);
      });
    });
  });
}

interface RawAnswer {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** One call of Ask over node:http2, its body written in `pieces`. */
async function rawRequest(port: number, headers: Readonly<Record<string, string>>, pieces: readonly Buffer[]): Promise<RawAnswer> {
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    return await new Promise((resolve, reject) => {
      const request = session.request({
        ":method": "POST",
        ":path": pathOf("Ask"),
        "content-type": "application/grpc",
        te: "trailers",
        ...headers,
      });
      const body: Buffer[] = [];
      let answerHeaders: Readonly<Record<string, unknown>> = {};
      let trailers: Readonly<Record<string, unknown>> = {};
      request.on("response", (found) => (answerHeaders = found));
      request.on("trailers", (found) => (trailers = found));
      request.on("data", (bytes: Buffer) => body.push(bytes));
      request.on("error", reject);
      request.on("end", () => resolve({ headers: answerHeaders, trailers, body: Buffer.concat(body) }));
      for (const piece of pieces) request.write(piece);
      request.end();
    });
  } finally {
    session.close();
  }
}

function framed(message: Buffer, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
