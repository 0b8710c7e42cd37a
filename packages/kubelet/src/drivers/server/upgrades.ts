// Upgraded requests: exec, attach and port-forward, over WebSocket or SPDY/3.1, joined to the runtime's streaming server.
//
// Owns:  the WebSocket server that makes the handshakes; each session owns its connection.
// U1. A request is refused with a plain answer while it still can be; after the switch failures travel in the protocol.
// Source: pkg/kubelet/server (getExec, getAttach, getPortForward), k8s.io/streaming, KEP-4006.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Logger } from "@lenj/base";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import { refuseUpgrade } from "./answers.js";
import { SPDYSession, type SPDYStream } from "./spdy/session.js";
import { bridge, type ChannelEnd, channel, type Frame, type SPDYStreams, spdyClientEnd, webSocketEnd } from "./streaming/channel-end.js";
import { type OpenPort, serveSPDYPortForward, serveWebSocketPortForward } from "./streaming/port-forward.js";
import { connectRuntime, type Wanted } from "./streaming/runtime-streams.js";

export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

const messageBytesMax = 32 * 1024 * 1024;
/** Streams a SPDY client announces must have come by then. Upstream: --streaming stream creation timeout. */
const streamsTimeoutMs = 30_000;
const commandProtocols = ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io"];
const spdyCommandProtocols = ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];
const tunnelProtocol = "SPDY/3.1+portforward.k8s.io";

export class Upgrades {
  readonly #chosen = new WeakMap<IncomingMessage, string>();
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: messageBytesMax, perMessageDeflate: false });

  constructor(private readonly logger: Logger) {
    // The library accepts no protocol name with a slash, so names are kept from it and added to its answer.
    this.#server.on("headers", (headers, request) => {
      const name = this.#chosen.get(request);
      if (name !== undefined) headers.push(`Sec-WebSocket-Protocol: ${name}`);
    });
  }

  /** `makeURL` asks the runtime for a URL of one use; its failure is told to the client. */
  async serveCommand(upgrade: Upgrade, wanted: Wanted, makeURL: () => Promise<string>): Promise<void> {
    const runtime = await this.#connect(upgrade, wanted, makeURL);
    if (runtime === undefined) return;
    try {
      const client = isWebSocket(upgrade) ? await this.#webSocketClient(upgrade) : await spdyClient(upgrade, wanted);
      if (client === undefined) return;
      await bridge(client, runtime);
    } finally {
      runtime.close();
    }
  }

  async servePortForward(upgrade: Upgrade, ports: readonly number[], openPort: OpenPort): Promise<void> {
    if (!isWebSocket(upgrade)) {
      const offered = headerList(upgrade.request, "x-stream-protocol-version");
      if (!offered.includes("portforward.k8s.io")) return refuseUpgrade(upgrade.socket, 403, unsupported(offered, ["portforward.k8s.io"]));
      acceptSPDY(upgrade, "portforward.k8s.io");
      return serveSPDYPortForward(upgrade.socket, upgrade.head, openPort);
    }
    const offered = headerList(upgrade.request, "sec-websocket-protocol");
    if (offered.includes(tunnelProtocol)) {
      const socket = await this.#accept(upgrade, tunnelProtocol);
      return serveSPDYPortForward(createWebSocketStream(socket), Buffer.alloc(0), openPort);
    }
    if (!offered.includes("v4.channel.k8s.io"))
      return refuseUpgrade(upgrade.socket, 403, unsupported(offered, ["v4.channel.k8s.io", tunnelProtocol]));
    if (ports.length === 0) return refuseUpgrade(upgrade.socket, 400, 'query parameter "port" is required');
    await serveWebSocketPortForward(await this.#accept(upgrade, "v4.channel.k8s.io"), ports, openPort);
  }

  close(): void {
    for (const client of this.#server.clients) client.terminate();
    this.#server.close();
  }

  async #connect(upgrade: Upgrade, wanted: Wanted, makeURL: () => Promise<string>): Promise<ChannelEnd | undefined> {
    try {
      return await connectRuntime(makeURL, wanted);
    } catch (error) {
      this.logger.debug("The runtime refused a stream", { error: (error as Error).message });
      refuseUpgrade(upgrade.socket, 500, (error as Error).message);
      return undefined;
    }
  }

  async #webSocketClient(upgrade: Upgrade): Promise<ChannelEnd | undefined> {
    const offered = headerList(upgrade.request, "sec-websocket-protocol");
    // Who names no protocol gets the oldest, as upstream.
    const name = offered.length === 0 ? "" : commandProtocols.find((candidate) => offered.includes(candidate));
    if (name === undefined) {
      refuseUpgrade(upgrade.socket, 403, unsupported(offered, commandProtocols));
      return undefined;
    }
    const socket = await this.#accept(upgrade, name);
    const end = webSocketEnd(socket, name.startsWith("v5"));
    const coded = name.includes("base64") ? base64End(end, socket) : end;
    return name.startsWith("v") ? coded : plainStatusEnd(coded);
  }

  #accept({ request, socket, head }: Upgrade, protocol: string): Promise<WebSocket> {
    delete request.headers["sec-websocket-protocol"];
    if (protocol !== "") this.#chosen.set(request, protocol);
    return new Promise((resolve) => {
      this.#server.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.on("error", (error) => this.logger.debug("A stream failed", { error: error.message }));
        resolve(webSocket);
      });
    });
  }
}

function isWebSocket({ request }: Upgrade): boolean {
  return (request.headers.upgrade ?? "").toLowerCase() === "websocket";
}

function headerList(request: IncomingMessage, name: string): string[] {
  return String(request.headers[name] ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function unsupported(offered: readonly string[], known: readonly string[]): string {
  return `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(" ")}], server accepts [${known.join(" ")}]`;
}

function acceptSPDY({ socket }: Upgrade, protocol: string): void {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
}

async function spdyClient(upgrade: Upgrade, wanted: Wanted): Promise<ChannelEnd | undefined> {
  const { request, socket, head } = upgrade;
  const offered = headerList(request, "x-stream-protocol-version");
  const protocol = offered.length === 0 ? "channel.k8s.io" : spdyCommandProtocols.find((candidate) => offered.includes(candidate));
  if (protocol === undefined) {
    refuseUpgrade(socket, 403, unsupported(offered, spdyCommandProtocols));
    return undefined;
  }
  acceptSPDY(upgrade, protocol);
  const hasResize = wanted.tty && (protocol.startsWith("v3") || protocol.startsWith("v4"));
  const names = [
    "error",
    ...(wanted.stdin ? ["stdin"] : []),
    ...(wanted.stdout ? ["stdout"] : []),
    ...(wanted.stderr && !wanted.tty ? ["stderr"] : []),
    ...(hasResize ? ["resize"] : []),
  ];
  const streams = new Map<string, SPDYStream>();
  let onComplete: () => void = () => undefined;
  const complete = new Promise<void>((resolve) => (onComplete = resolve));
  const session = new SPDYSession(socket, {
    role: "server",
    head,
    onStream: (stream) => {
      streams.set(stream.headers["streamtype"] ?? "", stream);
      if (names.every((name) => streams.has(name))) onComplete();
    },
  });
  const timer = setTimeout(() => session.close(), streamsTimeoutMs);
  await Promise.race([complete, session.closed]);
  clearTimeout(timer);
  const error = streams.get("error");
  if (error === undefined || !names.every((name) => streams.has(name))) return undefined;
  const found: SPDYStreams = {
    session,
    error,
    stdin: streams.get("stdin"),
    stdout: streams.get("stdout"),
    stderr: streams.get("stderr"),
    resize: streams.get("resize"),
  };
  const end = spdyClientEnd(found);
  return protocol.startsWith("v4") ? end : plainStatusEnd(end);
}

/** The forms in which a message is a digit and base64 text. */
function base64End(end: ChannelEnd, socket: WebSocket): ChannelEnd {
  return {
    async *frames() {
      for await (const frame of end.frames())
        yield { channel: frame.channel - 0x30, bytes: Buffer.from(frame.bytes.toString("latin1"), "base64") };
    },
    send: ({ channel: number, bytes }) =>
      number === channel.close
        ? Promise.resolve()
        : new Promise((resolve, reject) =>
            socket.send(`${number}${bytes.toString("base64")}`, (error) => (error ? reject(error) : resolve())),
          ),
    close: () => end.close(),
  };
}

/** The oldest forms know a failure as a text, and success as silence. */
function plainStatusEnd(end: ChannelEnd): ChannelEnd {
  return {
    ...end,
    frames: () => end.frames(),
    close: () => end.close(),
    send: (frame: Frame) => end.send(frame.channel === channel.status ? { ...frame, bytes: failureText(frame.bytes) } : frame),
  };
}

function failureText(status: Buffer): Buffer {
  try {
    const { status: verdict, message } = JSON.parse(status.toString("utf8")) as { status?: string; message?: string };
    return verdict === "Success" ? Buffer.alloc(0) : Buffer.from(message ?? "");
  } catch {
    return status;
  }
}
