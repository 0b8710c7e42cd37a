// A request that asks to change protocols: answered by hand on its socket until a relay takes the connection over.
import type { IncomingMessage } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { ClientCertificate } from "../auth/ports.js";
import type { Exchange, ResponseStream, UpgradeRequest } from "../rest/exchange.js";
import { readCertificate } from "./http-exchange.js";

export class UpgradeExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly rawQuery: string;
  readonly upgrade: UpgradeRequest;
  readonly #abort = new AbortController();
  readonly #headers = new Map<string, string | readonly string[]>();
  #hasStarted = false;

  constructor(request: IncomingMessage, socket: Duplex, head: Buffer) {
    this.upgrade = { request, socket, head };
    this.method = request.method ?? "GET";
    const url = request.url ?? "/";
    const mark = url.indexOf("?");
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.rawQuery = mark < 0 ? "" : url.slice(mark);
    this.query = new URLSearchParams(this.rawQuery);
    socket.once("close", () => this.#abort.abort(new Error("Client closed the connection")));
    socket.on("error", () => {
      // Its `close` follows and aborts the request.
    });
  }

  get remoteAddress(): string {
    return this.upgrade.request.socket.remoteAddress ?? "";
  }

  get clientCertificate(): ClientCertificate | undefined {
    return readCertificate(this.upgrade.request.socket as TLSSocket);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** True also after a relay took over and wrote the head by itself. */
  get hasStarted(): boolean {
    return this.#hasStarted || (this.upgrade.socket as Duplex & { bytesWritten?: number }).writableEnded;
  }

  header(name: string): string | undefined {
    const value = this.upgrade.request.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  headers(): Readonly<Record<string, string | string[] | undefined>> {
    return this.upgrade.request.headers;
  }

  readBody(): Promise<Buffer> {
    return Promise.resolve(Buffer.alloc(0));
  }

  bodyStream(): NodeJS.ReadableStream {
    return this.upgrade.request;
  }

  setHeader(name: string, value: string | readonly string[]): void {
    this.#headers.set(name, value);
  }

  async send(code: number, headers: Readonly<Record<string, string>>, body: Uint8Array | readonly Uint8Array[] | string): Promise<void> {
    const bytes = typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array ? body : Buffer.concat(body);
    this.#writeHead(code, { ...headers, "content-length": String(bytes.length) });
    this.upgrade.socket.end(bytes);
    await Promise.resolve();
  }

  startStream(code: number, headers: Readonly<Record<string, string>>): ResponseStream {
    // The end of the connection is the end of the body.
    this.#writeHead(code, headers);
    const { socket } = this.upgrade;
    return {
      write: async (chunk) => {
        this.signal.throwIfAborted();
        if (!socket.write(chunk)) await new Promise<void>((resolve) => socket.once("drain", resolve).once("close", resolve));
      },
      end: () => socket.end(),
      destroy: () => socket.destroy(),
    };
  }

  #writeHead(code: number, headers: Readonly<Record<string, string>>): void {
    this.#hasStarted = true;
    const lines = [`HTTP/1.1 ${code} ${STATUS_CODES[code] ?? ""}`, "connection: close"];
    for (const [name, value] of [...this.#headers, ...Object.entries(headers)]) {
      for (const one of typeof value === "string" ? [value] : value) lines.push(`${name}: ${one}`);
    }
    this.upgrade.socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  }
}
