// Port forwarding: connections of a client, by whichever protocol, to ports inside a pod. One runtime session a connection.
// Source: pkg/kubelet portforward, KEP-4006; the WebSocket form as client libraries use it.
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { SPDYSession, type SPDYStream } from "../spdy/session.js";
import { messagesOf, sendMessage } from "./channel-end.js";
import { openWebSocket } from "./runtime-streams.js";

/** A URL of the runtime for one connection to `port`. */
export type OpenPort = (port: number) => Promise<string>;

/** A pair of streams that did not find each other by then is dropped. Upstream: streamCreationTimeout. */
const pairTimeoutMs = 30_000;

/** Serves SPDY streams: an error and a data stream for each connection, told apart by their request ID. */
export function serveSPDYPortForward(connection: Duplex, head: Buffer, openPort: OpenPort): Promise<void> {
  const waiting = new Map<string, { error?: SPDYStream; data?: SPDYStream }>();
  const session = new SPDYSession(connection, {
    role: "server",
    head,
    onStream: (stream) => {
      const id = stream.headers["requestid"] ?? String(stream.headers["streamtype"] === "error" ? stream.id : stream.id - 2);
      const pair = waiting.get(id) ?? {};
      waiting.set(id, pair);
      if (stream.headers["streamtype"] === "error") pair.error = stream;
      else pair.data = stream;
      if (pair.error === undefined || pair.data === undefined) {
        setTimeout(() => waiting.delete(id) && stream.destroy(), pairTimeoutMs).unref();
        return;
      }
      waiting.delete(id);
      // A failed connection is told on its error stream; forwardStreams does not reject.
      void forwardStreams(pair.error, pair.data, openPort);
    },
  });
  return session.closed;
}

async function forwardStreams(error: SPDYStream, data: SPDYStream, openPort: OpenPort): Promise<void> {
  const port = Number(data.headers["port"]);
  error.resume();
  try {
    const runtime = await connectPort(openPort, port);
    data.once("close", () => runtime.close());
    const up = (async () => {
      for await (const chunk of data) await runtime.send(chunk as Buffer);
    })();
    up.catch(() => undefined);
    for await (const chunk of runtime.data()) {
      if (data.destroyed || data.writableEnded) break;
      if (!data.write(chunk)) await new Promise<void>((resolve) => data.once("drain", resolve).once("close", resolve));
    }
    const problem = runtime.problem();
    if (problem !== "") error.write(problem);
  } catch (failure) {
    if (!error.destroyed) error.write(`error forwarding port ${port}: ${(failure as Error).message}`);
  }
  error.end();
  data.end();
}

/** Serves the WebSocket form: channels 2i (data) and 2i+1 (error) of the i-th port; each starts with its port, little endian. */
export async function serveWebSocketPortForward(socket: WebSocket, ports: readonly number[], openPort: OpenPort): Promise<void> {
  const runtimes = await Promise.all(ports.map((port) => connectPort(openPort, port).catch((error: unknown) => error as Error)));
  const down = ports.map(async (port, position) => {
    const intro = Buffer.alloc(3);
    intro.writeUInt16LE(port, 1);
    for (const number of [position * 2, position * 2 + 1]) {
      intro.writeUInt8(number, 0);
      await sendMessage(socket, Buffer.from(intro));
    }
    const runtime = runtimes[position];
    if (runtime === undefined) return;
    const fail = (text: string): Promise<void> => sendMessage(socket, Buffer.concat([Buffer.from([position * 2 + 1]), Buffer.from(text)]));
    if (runtime instanceof Error) return fail(`error forwarding port ${port}: ${runtime.message}`);
    for await (const chunk of runtime.data()) await sendMessage(socket, Buffer.concat([Buffer.from([position * 2]), chunk]));
    const problem = runtime.problem();
    if (problem !== "") await fail(problem);
  });
  const up = (async () => {
    for await (const message of messagesOf(socket)) {
      const runtime = runtimes[(message[0] ?? 0) >> 1];
      if (runtime !== undefined && !(runtime instanceof Error) && ((message[0] ?? 1) & 1) === 0) await runtime.send(message.subarray(1));
    }
  })();
  await Promise.race([Promise.allSettled(down), Promise.allSettled([up])]);
  for (const runtime of runtimes) if (!(runtime instanceof Error)) runtime.close();
  socket.close(1000);
}

interface PortConnection {
  data(): AsyncIterable<Buffer>;
  send(bytes: Buffer): Promise<void>;
  /** What went wrong, in the runtime's words; empty: nothing. */
  problem(): string;
  close(): void;
}

async function connectPort(openPort: OpenPort, port: number): Promise<PortConnection> {
  const url = new URL(await openPort(port));
  // The port goes into the URL for the WebSocket form; the runtime already knows it, and checks that they agree.
  if (!url.searchParams.has("port")) url.searchParams.set("port", String(port));
  const socket = await openWebSocket(url.toString(), "v4.channel.k8s.io");
  const introduced = [false, false];
  let problem = "";
  return {
    async *data() {
      for await (const message of messagesOf(socket)) {
        const number = message[0] ?? 0;
        if (number > 1) continue;
        if (introduced[number] === false) {
          introduced[number] = true;
          if (message.length > 3) yield message.subarray(3);
          continue;
        }
        if (number === 0) yield message.subarray(1);
        else {
          problem += message.subarray(1).toString("utf8");
          // After a failure nothing more comes, and not every runtime hangs up.
          socket.close(1000);
        }
      }
    },
    send: (bytes) => sendMessage(socket, Buffer.concat([Buffer.from([0]), bytes])),
    problem: () => problem,
    close: () => socket.close(1000),
  };
}
