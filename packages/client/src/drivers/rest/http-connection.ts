// The HTTP side of the REST client: HTTP/2 over TLS where the server speaks it (every api-server does), else HTTP/1.1.
//
// Owns:  one HTTP/2 session, its health pings, and the HTTP/1.1 agent.
// Not:   what requests mean.
// H1. At most one session is being opened at a time; a session that failed is forgotten before its error is seen.
// H2. A session whose ping got no answer is destroyed, which fails every stream on it.

import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from "node:http";
import { type ClientHttp2Session, type ClientHttp2Stream, constants, connect as http2Connect } from "node:http2";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import type { Readable } from "node:stream";
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from "node:tls";
import type { Clock, Timer } from "@lenj/base";
import type { ClientConfig } from "../../config/client-config.js";

const PING_EVERY_MS = 15_000;
const PING_ANSWER_WITHIN_MS = 10_000;
const CONNECT_WITHIN_MS = 10_000;

export interface HttpRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly code: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Must be read to its end or destroyed. */
  readonly body: Readable;
}

export class HttpConnection {
  readonly #url: URL;
  readonly #tls: ConnectionOptions;
  readonly #clock: Clock;
  #session: Promise<ClientHttp2Session | undefined> | undefined;
  #agent: HttpAgent | HttpsAgent | undefined;
  #pingTimer: Timer | undefined;
  #closed = false;

  constructor(config: ClientConfig, clock: Clock) {
    this.#url = new URL(config.server);
    this.#clock = clock;
    const servername = config.tlsServerName ?? (isIP(bareHost(this.#url)) === 0 ? this.#url.hostname : undefined);
    this.#tls = {
      host: bareHost(this.#url),
      port: Number(this.#url.port === "" ? 443 : this.#url.port),
      ...(config.caData !== undefined && { ca: config.caData }),
      ...(config.clientCertificateData !== undefined && { cert: config.clientCertificateData }),
      ...(config.clientKeyData !== undefined && { key: config.clientKeyData }),
      ...(servername !== undefined && { servername }),
      ...(config.insecureSkipTLSVerify === true && { rejectUnauthorized: false }),
    };
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    request.signal?.throwIfAborted();
    if (this.#closed) throw new Error("client is closed");
    if (this.#url.protocol === "http:") return this.#sendHttp1(request);
    const session = await (this.#session ??= this.#open());
    return session === undefined ? this.#sendHttp1(request) : sendHttp2(session, request, this.#pathPrefix);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#pingTimer?.cancel();
    this.#agent?.destroy();
    const session = await this.#session?.catch(() => undefined);
    session?.destroy();
  }

  get #pathPrefix(): string {
    return this.#url.pathname.replace(/\/$/, "");
  }

  /** Undefined: the server does not speak HTTP/2. */
  async #open(): Promise<ClientHttp2Session | undefined> {
    try {
      const socket = await openTls(this.#tls, this.#clock);
      if (socket.alpnProtocol !== "h2") {
        socket.destroy();
        return undefined;
      }
      const session = http2Connect(this.#url.origin, { createConnection: () => socket, settings: { enablePush: false } });
      session
        .on("error", () => this.#forget())
        .on("close", () => this.#forget())
        .on("goaway", () => this.#forget());
      this.#pingLater(session);
      return session;
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  #forget(): void {
    this.#session = undefined;
    this.#pingTimer?.cancel();
  }

  #pingLater(session: ClientHttp2Session): void {
    this.#pingTimer = this.#clock.after(PING_EVERY_MS, () => {
      if (session.destroyed) return;
      const lost = this.#clock.after(PING_ANSWER_WITHIN_MS, () => session.destroy(new Error("http2: client connection lost")));
      session.ping((error) => {
        lost.cancel();
        if (error === null && !session.destroyed && !this.#closed) this.#pingLater(session);
      });
    });
  }

  #sendHttp1(request: HttpRequest): Promise<HttpResponse> {
    const secure = this.#url.protocol === "https:";
    this.#agent ??= secure ? new HttpsAgent({ keepAlive: true, ...this.#tls }) : new HttpAgent({ keepAlive: true });
    const options: RequestOptions = {
      method: request.method,
      host: bareHost(this.#url),
      port: this.#url.port,
      path: this.#pathPrefix + request.path,
      headers: { ...request.headers, ...(request.body !== undefined && { "content-length": String(Buffer.byteLength(request.body)) }) },
      agent: this.#agent,
      ...(request.signal !== undefined && { signal: request.signal }),
    };
    return new Promise((resolve, reject) => {
      const outgoing = (secure ? httpsRequest : httpRequest)(options, (response) =>
        resolve({ code: response.statusCode ?? 0, headers: response.headers, body: response }),
      );
      outgoing.on("error", (error) => reject(request.signal?.aborted ? (request.signal.reason as Error) : error));
      outgoing.end(request.body);
    });
  }
}

function sendHttp2(session: ClientHttp2Session, request: HttpRequest, pathPrefix: string): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const stream: ClientHttp2Stream = session.request(
      { ...request.headers, [constants.HTTP2_HEADER_METHOD]: request.method, [constants.HTTP2_HEADER_PATH]: pathPrefix + request.path },
      { endStream: request.body === undefined },
    );
    const { signal } = request;
    const onAbort = (): void => {
      stream.close(constants.NGHTTP2_CANCEL);
      stream.destroy(signal?.reason as Error);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    stream.on("response", (headers) => resolve({ code: headers[":status"] ?? 0, headers, body: stream }));
    stream.on("error", (error) => reject(signal?.aborted ? (signal.reason as Error) : error));
    stream.on("close", () => {
      signal?.removeEventListener("abort", onAbort);
      reject(new Error("http2: stream closed without an answer"));
    });
    if (request.body !== undefined) stream.end(request.body);
  });
}

function openTls(options: ConnectionOptions, clock: Clock): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ ...options, ALPNProtocols: ["h2", "http/1.1"] });
    const timer = clock.after(CONNECT_WITHIN_MS, () => socket.destroy(new Error(`dial tcp ${options.host}:${options.port}: i/o timeout`)));
    socket.setNoDelay(true);
    socket.once("secureConnect", () => {
      timer.cancel();
      socket.removeListener("error", reject);
      resolve(socket);
    });
    socket.once("error", (error) => {
      timer.cancel();
      reject(error);
    });
  });
}

/** Without the brackets of an IPv6 address. */
function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}
