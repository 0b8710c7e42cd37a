// One request and answer of node:http or of the compatibility API of node:http2, made equal.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { newRequestEntityTooLarge } from "@lenj/apimachinery";
import type { ClientCertificate } from "../auth/ports.js";
import type { Exchange, ResponseStream } from "../rest/exchange.js";

/** Headers that belong to one connection of HTTP/1.1 and do not exist in HTTP/2. */
const connectionHeaders = new Set(["connection", "transfer-encoding", "keep-alive", "upgrade"]);

export class HTTPExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly rawQuery: string;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #abort = new AbortController();
  #certificate: ClientCertificate | undefined | "unread" = "unread";

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    this.method = request.method ?? "GET";
    const url = request.url ?? "/";
    const mark = url.indexOf("?");
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.rawQuery = mark < 0 ? "" : url.slice(mark);
    this.query = new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
    // HTTP/2's answer emits `finish` before `close` even when the client aborted, so only a complete end counts as an orderly one.
    response.once("close", () => this.#abort.abort(new Error("Client closed the request")));
    response.on("error", () => {});
    request.on("error", () => {});
  }

  get remoteAddress(): string {
    return this.#request.socket?.remoteAddress ?? "";
  }

  get clientCertificate(): ClientCertificate | undefined {
    if (this.#certificate === "unread") this.#certificate = readCertificate(this.#request.socket as TLSSocket);
    return this.#certificate;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get hasStarted(): boolean {
    return this.#response.headersSent;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  headers(): Readonly<Record<string, string | string[] | undefined>> {
    return this.#request.headers;
  }

  async readBody(limitBytes: number): Promise<Buffer> {
    const announced = Number(this.#request.headers["content-length"] ?? 0);
    if (announced > limitBytes) throw this.#tooLarge(limitBytes);
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    for await (const chunk of this.#request as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > limitBytes) throw this.#tooLarge(limitBytes);
      chunks.push(chunk);
    }
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  }

  #tooLarge(limitBytes: number): Error {
    return newRequestEntityTooLarge(`limit is ${limitBytes}`);
  }

  bodyStream(): NodeJS.ReadableStream {
    return this.#request;
  }

  setHeader(name: string, value: string | readonly string[]): void {
    if (!this.#response.headersSent) this.#response.setHeader(name, value as string | string[]);
  }

  async send(code: number, headers: Readonly<Record<string, string>>, body: Uint8Array | readonly Uint8Array[] | string): Promise<void> {
    if (this.signal.aborted) return;
    const chunks: readonly Uint8Array[] = typeof body === "string" ? [Buffer.from(body)] : body instanceof Uint8Array ? [body] : body;
    let sizeBytes = 0;
    for (const chunk of chunks) sizeBytes += chunk.length;
    const hasBody = code !== 304 && code !== 204;
    this.#start(code, hasBody ? { ...headers, "content-length": String(sizeBytes) } : headers);
    if (this.method === "HEAD" || !hasBody || sizeBytes === 0) this.#response.end();
    else this.#response.end(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
    // Errors past this point are the client's; an aborted body has been answered already.
    if (!this.#request.complete) this.#request.resume();
    await Promise.resolve();
  }

  startStream(code: number, headers: Readonly<Record<string, string>>): ResponseStream {
    this.#start(code, headers);
    this.#response.flushHeaders();
    const response = this.#response;
    const { signal } = this;
    return {
      write: async (chunk) => {
        signal.throwIfAborted();
        if (response.write(chunk)) return;
        await new Promise<void>((resolve, reject) => {
          const onDrain = (): void => {
            signal.removeEventListener("abort", onAbort);
            resolve();
          };
          const onAbort = (): void => {
            response.off("drain", onDrain);
            reject(signal.reason as Error);
          };
          response.once("drain", onDrain);
          signal.addEventListener("abort", onAbort, { once: true });
        });
      },
      end: () => {
        if (!signal.aborted) response.end();
      },
      destroy: () => this.abort(),
    };
  }

  /** Breaks the answer off. */
  abort(): void {
    this.#response.destroy();
  }

  #start(code: number, headers: Readonly<Record<string, string>>): void {
    const isHTTP2 = this.#request.httpVersionMajor >= 2;
    const sent = isHTTP2 ? Object.fromEntries(Object.entries(headers).filter(([name]) => !connectionHeaders.has(name))) : headers;
    this.#response.writeHead(code, sent);
  }
}

/** The verified identity of the peer; undefined when it presented none. */
export function readCertificate(socket: TLSSocket | undefined): ClientCertificate | undefined {
  if (socket === undefined || typeof socket.getPeerCertificate !== "function") return undefined;
  const certificate = socket.getPeerCertificate();
  if (certificate === null || Object.keys(certificate).length === 0) return undefined;
  const { CN, O } = certificate.subject as unknown as { CN?: string | string[]; O?: string | string[] };
  return {
    verified: socket.authorized,
    commonName: (Array.isArray(CN) ? CN[0] : CN) ?? "",
    organizations: O === undefined ? [] : Array.isArray(O) ? O : [O],
    raw: certificate.raw,
  };
}
