// One HTTP request and its answer, as the REST front sees them. HTTP/1.1 and HTTP/2 look the same from here.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ClientCertificate } from "../auth/ports.js";

/** A connection whose client asks to speak another protocol on it. */
export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What the client sent behind the request. */
  readonly head: Buffer;
}

export interface Exchange {
  /** Set when the client asks for another protocol; the handler may take the connection over. */
  readonly upgrade?: UpgradeRequest | undefined;
  readonly method: string;
  /** Percent-encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** With the `?`, as it came. */
  readonly rawQuery: string;
  readonly remoteAddress: string;
  readonly clientCertificate: ClientCertificate | undefined;
  /** Aborted when the client went away. */
  readonly signal: AbortSignal;
  /** By lower-case name; repeated headers joined by ", ". */
  header(name: string): string | undefined;
  /** Every header, lower-case names. */
  headers(): Readonly<Record<string, string | string[] | undefined>>;
  /** Reads the whole body. Throws StatusError RequestEntityTooLarge past the limit. */
  readBody(limitBytes: number): Promise<Buffer>;
  /** The body as it arrives, for proxying. */
  bodyStream(): NodeJS.ReadableStream;
  /** Set on the answer whatever it is. */
  setHeader(name: string, value: string | readonly string[]): void;
  send(code: number, headers: Readonly<Record<string, string>>, body: Uint8Array | readonly Uint8Array[] | string): Promise<void>;
  /** Starts an answer without a known end and flushes its headers. */
  startStream(code: number, headers: Readonly<Record<string, string>>): ResponseStream;
  readonly hasStarted: boolean;
}

export interface ResponseStream {
  /** Resolves when there is room for more; rejects when the client is gone. */
  write(chunk: Uint8Array): Promise<void>;
  end(): void;
  /** Ends the answer so that the client sees that it is incomplete. */
  destroy(): void;
}
