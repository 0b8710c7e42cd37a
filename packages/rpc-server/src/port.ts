// What a service sees of gRPC, and what carries it.
//
// P1. A handler learns of a call's end through `signal` or `onClose`, once, whoever ended it.
// P2. After a call has ended, writing to it does nothing.
// P3. Callbacks of a stream are assigned by the handler before it returns; nothing is delivered earlier.
import type { Duplex } from "node:stream";
import type { Logger } from "@lenj/base";

/** One method, in the shape of the service definitions that ts-proto generates. */
export interface RpcMethod {
  /** "/package.Service/Method". */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestDeserialize(bytes: Buffer): unknown;
  responseSerialize(message: never): Buffer;
}

export type RpcService = Readonly<Record<string, RpcMethod>>;

export interface RpcMetadata {
  /** First value of an ASCII header. `name` in lower case. */
  get(name: string): string | undefined;
}

export interface RpcPeer {
  /** "host:port". */
  readonly address: string;
  /** Subject CN of a client certificate that was verified. */
  readonly commonName: string | undefined;
}

export interface RpcCall {
  readonly path: string;
  readonly metadata: RpcMetadata;
  readonly peer: RpcPeer;
  /** Aborts when the client cancels, its deadline passes or the connection ends. Made when first asked for. */
  readonly signal: AbortSignal;
}

export interface RpcServerStream<Response> extends RpcCall {
  /** Returns false when more is waiting to leave than the high-water mark: go on at `onDrain`. */
  write(message: Response): boolean;
  readonly needsDrain: boolean;
  onDrain: () => void;
  /** Runs exactly once, when the stream is over. */
  onClose: () => void;
  /** Ends with status OK after what was written. */
  end(): void;
  fail(error: unknown): void;
}

export interface RpcDuplexStream<Request, Response> extends RpcServerStream<Response> {
  onMessage: (message: Request) => void;
  /** The client sends no more. */
  onHalfClose: () => void;
  /** Messages that have arrived may still come; the client is given no room for more until resume(). */
  pause(): void;
  resume(): void;
}

export type UnaryHandler<Request, Response> = (request: Request, call: RpcCall) => Response | Promise<Response>;
export type ServerStreamHandler<Request, Response> = (request: Request, stream: RpcServerStream<Response>) => void;
/** Also for methods where only the client streams: one write() is the answer, end() sends it. */
export type DuplexHandler<Request, Response> = (stream: RpcDuplexStream<Request, Response>) => void;

/** A UnaryHandler, ServerStreamHandler or DuplexHandler for each method, by the names that the service definition has. */
export type RpcHandlers = Readonly<Record<string, (first: never, second: never) => unknown>>;

export interface RpcStatus {
  /** A gRPC status code. */
  readonly code: number;
  readonly details: string;
}

export interface RpcDriverOptions {
  /** Largest message taken, in bytes; a larger one is refused with RESOURCE_EXHAUSTED. */
  readonly receiveBytesMax: number;
  /** What a client is told of an error that a handler threw. */
  readonly toStatus: (error: unknown) => RpcStatus;
  /** Runs before each handler; throws to refuse the call. */
  readonly onCall?: (call: RpcCall) => void;
  /** Hears of each call's end with its code and how long it took. */
  readonly onDone?: (path: string, code: number, tookMs: number) => void;
  /** Default: what etcd uses. */
  readonly keepAlive?: KeepAliveOptions;
  /** Most calls that are open on one connection; more are refused. */
  readonly concurrentStreamsMax?: number;
  readonly logger: Logger;
}

/** Whether the other side is still there, and how often it may ask us. Source: grpc-go's server parameters and enforcement policy. */
export interface KeepAliveOptions {
  /** Pings of a client with open calls may come this often. Upstream: etcd's --grpc-keepalive-min-time. */
  readonly pingIntervalMsMin: number;
  /** A connection on which nothing has come for so long is asked for a sign of life; Infinity: never. Upstream: --grpc-keepalive-interval. */
  readonly pingAfterMs: number;
  /** It is ended when none comes for so long. Upstream: --grpc-keepalive-timeout. */
  readonly pingTimeoutMs: number;
  /** A connection without calls for so long is drained. Upstream: grpc-go's MaxConnectionIdle. Default: never. */
  readonly idleMsMax?: number;
}

export interface RpcDriver {
  addService(definition: RpcService, handlers: RpcHandlers): void;
  /** Takes over an accepted connection that speaks HTTP/2, plain or already decrypted. */
  accept(socket: Duplex, peer: RpcPeer): void;
  /** Takes no new calls; resolves when the accepted ones have ended. */
  drain(): Promise<void>;
  /** Ends what is still open. */
  close(): Promise<void>;
}
