// The streaming server: exec, attach and port-forward over WebSocket, by single-use URLs.
//
// T1. A URL works once, and for urlTimeoutMs after it was given out.
// T2. An exec's process dies when its client goes away; an attached container does not.
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Logger } from "@lenj/base";
import type { AttachRequest, ExecRequest, PortForwardRequest } from "@lenj/proto/cri";
import { type WebSocket, WebSocketServer } from "ws";
import { RuntimeError } from "../../core/errors.js";
import { chooseProtocol, commandProtocols, forwardProtocols } from "../../core/stream-protocols.js";
import type { Runtime } from "../runtime.js";
import { ChannelSocket } from "./channel-socket.js";
import { serveAttach, serveExec, servePortForward } from "./sessions.js";

export type StreamOffer =
  | { readonly kind: "exec"; readonly request: ExecRequest }
  | { readonly kind: "attach"; readonly request: AttachRequest }
  | { readonly kind: "portForward"; readonly request: PortForwardRequest };

const urlTimeoutMs = 60_000;
/** URLs given out and not yet used. Upstream: the kubelet's streaming request cache. */
const offersMax = 1_000;
const messageBytesMax = 32 * 1024 * 1024;
const pathNames = { exec: "exec", attach: "attach", portForward: "portforward" } as const;

export class StreamingServer {
  readonly #offers = new Map<string, { offer: StreamOffer; timer: NodeJS.Timeout }>();
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: messageBytesMax,
    handleProtocols: (_, request) => request.headers["x-lenj-protocol"] as string,
  });
  #address = "";

  constructor(
    private readonly runtime: Runtime,
    private readonly logger: Logger,
  ) {
    this.#http = createServer((_, response) => response.writeHead(404).end("404 page not found\n"));
    this.#http.on("upgrade", (request, socket: Duplex, head) => {
      const offer = this.#take(request.url ?? "");
      if (offer === undefined) return refuse(socket, "404 Not Found");
      const known = offer.kind === "portForward" ? forwardProtocols : commandProtocols;
      const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
      const protocol = chooseProtocol(known, offered);
      if (protocol === undefined) return refuse(socket, "403 Forbidden");
      // The only way to hand the choice to the handshake.
      request.headers["x-lenj-protocol"] = protocol.name;
      this.#sockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
        webSocket.on("error", (error) => this.logger.debug("Stream failed", { error }));
        const channels = new ChannelSocket(webSocket, protocol);
        this.#serve(offer, channels)
          .catch((error: unknown) => this.logger.warn("Serving a stream failed", { kind: offer.kind, error }))
          .finally(() => channels.close());
      });
    });
  }

  /** Rejects with the listen error. */
  async listen(address: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(port, address, resolve);
    });
    const bound = this.#http.address() as AddressInfo;
    this.#address = `${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`;
  }

  /** A URL for one use. Throws RuntimeError RESOURCE_EXHAUSTED when too many wait for theirs. */
  offer(offer: StreamOffer): string {
    if (this.#offers.size >= offersMax) throw new RuntimeError("RESOURCE_EXHAUSTED", "maximum number of in-flight requests exceeded");
    const token = randomBytes(12).toString("base64url");
    const timer = setTimeout(() => this.#offers.delete(token), urlTimeoutMs);
    timer.unref();
    this.#offers.set(token, { offer, timer });
    return `http://${this.#address}/${pathNames[offer.kind]}/${token}`;
  }

  async close(): Promise<void> {
    for (const client of this.#sockets.clients) client.terminate();
    this.#http.closeAllConnections();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }

  #take(url: string): StreamOffer | undefined {
    const match = /^\/(exec|attach|portforward)\/([\w-]+)/.exec(url);
    const found = this.#offers.get(match?.[2] ?? "");
    if (found === undefined || pathNames[found.offer.kind] !== match?.[1]) return undefined;
    clearTimeout(found.timer);
    this.#offers.delete(match[2] as string);
    return found.offer;
  }

  #serve(offer: StreamOffer, channels: ChannelSocket): Promise<void> {
    if (offer.kind === "exec") return serveExec(this.runtime, offer.request, channels);
    if (offer.kind === "attach") return serveAttach(this.runtime, offer.request, channels);
    return servePortForward(this.runtime, offer.request, channels);
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
