// The HTTPS listener: HTTP/2 and HTTP/1.1 on one port, client certificates asked for but not demanded.
//
// Owns:  the listening socket and its connections.
// Not:   what requests mean (see rest/pipeline.ts), upgraded connections (handed to `onUpgrade`).
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Exchange } from "../rest/exchange.js";
import { HTTPExchange } from "./http-exchange.js";

/** Watches of one client share a connection; client-go opens dozens. */
const concurrentStreamsMax = 1_000;

export interface HTTPServerOptions {
  readonly address: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string; readonly clientCA: string | undefined };
  readonly onRequest: (exchange: Exchange) => Promise<void>;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export class HTTPServer {
  readonly #server: Http2SecureServer;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #sockets = new Set<Socket>();
  #closed: Promise<void> | undefined;

  private constructor(server: Http2SecureServer) {
    this.#server = server;
    server.on("session", (session) => {
      this.#sessions.add(session);
      session.once("close", () => this.#sessions.delete(session));
    });
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** Rejects with the listen error (EADDRINUSE, …). */
  static async listen(options: HTTPServerOptions): Promise<HTTPServer> {
    const { tls } = options;
    const server = createSecureServer({
      allowHTTP1: true,
      cert: tls.cert,
      key: tls.key,
      ...(tls.clientCA !== undefined && { ca: tls.clientCA, requestCert: true, rejectUnauthorized: false }),
      minVersion: "TLSv1.2",
      settings: { maxConcurrentStreams: concurrentStreamsMax, initialWindowSize: 256 * 1024 },
      // Watches are cancelled in bursts when a client goes down.
      streamResetBurst: 10_000,
      streamResetRate: 1_000,
    } as Parameters<typeof createSecureServer>[0]);
    server.on("request", (request: Http2ServerRequest, response: Http2ServerResponse) => {
      const exchange = new HTTPExchange(request as unknown as IncomingMessage, response as unknown as ServerResponse);
      options.onRequest(exchange).catch(() => exchange.abort());
    });
    server.on("upgrade", options.onUpgrade);
    // A client that breaks off its handshake is its own affair.
    server.on("tlsClientError", (_error, socket: TLSSocket) => socket.destroy());
    server.on("sessionError", () => {});
    server.setTimeout(0);
    const http = new HTTPServer(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(options.port, options.address, () => {
        server.off("error", reject);
        resolve();
      });
    });
    return http;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** New connections use this from now on. */
  replaceCertificate(tls: { cert: string; key: string; clientCA: string | undefined }): void {
    this.#server.setSecureContext({ cert: tls.cert, key: tls.key, ...(tls.clientCA !== undefined && { ca: tls.clientCA }) });
  }

  /** Stops accepting; requests in work may finish. */
  stopAccepting(): void {
    this.#server.close();
    for (const session of this.#sessions) session.close();
  }

  /** Ends every connection. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.stopAccepting();
      for (const session of this.#sessions) session.destroy();
      for (const socket of this.#sockets) socket.destroy();
      // What was open is gone; the listener itself needs no wait.
      resolve();
    });
    return this.#closed;
  }
}
