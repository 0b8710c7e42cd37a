import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { SystemClock } from "@lenj/base";
import type { RpcDuplexStream, RpcStatus } from "../../../port.js";
import { type DriverFactory, pathOf, startTextServer, TextError, type TextServer, until } from "../../../testing/text-service.js";
import { createGrpcJsDriver } from "../../grpc-js/grpc-js-driver.js";
import { createLeanDriver } from "../lean-driver.js";
import { ClientStream, type ClientStreamOptions } from "./client-stream.js";

class Talk {
  readonly heard: string[] = [];
  status: RpcStatus | undefined;
  readonly stream: ClientStream;

  constructor(port: number, options: Partial<ClientStreamOptions> = {}) {
    this.stream = new ClientStream({
      target: `127.0.0.1:${port}`,
      path: pathOf("Talk"),
      receiveBytesMax: 4 * 1_024 * 1_024,
      connectTimeoutMs: 10_000,
      keepAlive: { timeMs: 10_000, timeoutMs: 10_000 },
      clock: new SystemClock(),
      onMessage: (message) => void this.heard.push(message.toString()),
      onClose: (status) => {
        expect(this.status).toBeUndefined();
        this.status = status;
      },
      ...options,
    });
  }

  say(text: string): void {
    this.stream.write(Buffer.from(text));
  }
}

const drivers: readonly (readonly [string, DriverFactory])[] = [
  ["lean", createLeanDriver],
  ["grpc-js", createGrpcJsDriver],
];

describe.each(drivers)("ClientStream at the %s server", (_name, factory) => {
  let server: TextServer;
  let talk: Talk | undefined;

  const start = async (handler: (stream: RpcDuplexStream<string, string>) => void): Promise<Talk> => {
    server = await startTextServer(factory, { talk: handler });
    talk = new Talk(server.port);
    return talk;
  };

  afterEach(async () => {
    talk?.stream.close();
    await server.close();
  });

  it("says and hears, messages of any size in their order", async () => {
    const { heard, stream } = await start((call) => {
      call.onMessage = (text) => call.write(text.toUpperCase());
      call.onHalfClose = () => call.end();
    });
    const texts = ["a", "", "b".repeat(20_000), "c", "d".repeat(900_000), "e"];
    for (const text of texts) stream.write(Buffer.from(text));
    await until(() => heard.length === texts.length);
    expect(heard).toEqual(texts.map((text) => text.toUpperCase()));
    await until(() => stream.unsentBytes === 0);
  });

  it("goes on past every window, both ways", async () => {
    let bytes = 0;
    const { heard, stream } = await start((call) => {
      call.onMessage = (text) => {
        bytes += text.length;
        call.write(text);
      };
    });
    const text = "x".repeat(60_000);
    for (let round = 0; round < 400; round += 1) stream.write(Buffer.from(text));
    await until(() => heard.length === 400);
    expect(bytes).toBe(400 * text.length);
  });

  it("hears with which status the server ends, and nothing after", async () => {
    const ended = await start((call) => {
      call.write("first");
      call.onMessage = () => call.fail(new TextError(9, "no: 100 % sure"));
    });
    ended.say("go on");
    await until(() => ended.status !== undefined);
    expect([ended.heard, ended.status]).toEqual([["first"], { code: 9, details: "no: 100 % sure" }]);
  });

  it("hears of a method that does not exist", async () => {
    server = await startTextServer(factory, {});
    talk = new Talk(server.port, { path: "/lenj.test.Text/Nothing" });
    await until(() => talk?.status !== undefined);
    expect(talk.status?.code).toBe(12);
  });

  it("tells the server when it leaves", async () => {
    let isOver = false;
    const { say, heard, stream } = await start((call) => {
      call.onMessage = (text) => call.write(text);
      call.onClose = () => {
        isOver = true;
      };
    }).then((started) => ({ ...started, say: started.say.bind(started) }));
    say("hello");
    await until(() => heard.length === 1);
    stream.close();
    await until(() => isOver);
    expect(talk?.status).toEqual({ code: 1, details: "closed" });
  });

  it("hears when the server goes", async () => {
    const open = await start((call) => {
      call.onMessage = (text) => call.write(text);
    });
    open.say("hello");
    await until(() => open.heard.length === 1);
    await server.driver.close();
    await until(() => open.status !== undefined);
    expect(open.status?.code).not.toBe(0);
  });
});

describe("ClientStream without a server", () => {
  let server: Server;
  const sockets: Socket[] = [];

  const listen = (onSocket: (socket: Socket) => void): Promise<number> =>
    new Promise((resolve) => {
      server = createServer((socket) => {
        sockets.push(socket);
        socket.on("error", () => {});
        onSocket(socket);
      });
      server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
    });

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
  });

  it("fails where nobody listens", async () => {
    const port = await listen(() => {});
    await new Promise((resolve) => server.close(resolve));
    const talk = new Talk(port);
    await until(() => talk.status !== undefined);
    expect(talk.status).toEqual({ code: 14, details: `connect ECONNREFUSED 127.0.0.1:${port}` });
  });

  it("gives up one that accepts and says nothing", async () => {
    const talk = new Talk(await listen(() => {}), { connectTimeoutMs: 50 });
    await until(() => talk.status !== undefined);
    expect(talk.status).toMatchObject({ code: 14, details: expect.stringContaining("no answer from") as string });
  });

  it("gives up one that falls silent", async () => {
    const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    const talk = new Talk(await listen((socket) => socket.write(emptySettings)), { keepAlive: { timeMs: 30, timeoutMs: 30 } });
    await until(() => talk.status !== undefined);
    expect(talk.status).toMatchObject({ code: 14, details: expect.stringContaining("no sign of life") as string });
  });

  it.each([
    ["no HTTP/2", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["DATA before SETTINGS", Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, 1])],
    ["a push", Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2])],
    ["a header block that does not decode", Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x80])],
  ])("ends at one that sends %s", async (_what, bytes) => {
    const talk = new Talk(await listen((socket) => socket.write(bytes)));
    await until(() => talk.status !== undefined);
    expect(talk.status?.code).toBe(13);
  });
});
