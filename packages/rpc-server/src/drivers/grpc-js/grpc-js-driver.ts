// The port on @grpc/grpc-js.
//
// Owns:  the library's server and who is at the other end of each connection.
// Not:   listening; connections come in through accept().
import type { Duplex } from "node:stream";
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import type {
  DuplexHandler,
  RpcDriver,
  RpcDriverOptions,
  RpcHandlers,
  RpcMethod,
  RpcPeer,
  RpcService,
  ServerStreamHandler,
  UnaryHandler,
} from "../../port.js";
import { CallView, DuplexView, StreamView, uploadAsDuplex } from "./call-views.js";

const sendBytesMax = 2 ** 31 - 1;
const unlimitedStreams = 2 ** 31 - 1;
/** Upstream: etcd's grpc-keepalive-interval. */
const pingAfterMs = 2 * 3_600_000;
const pingTimeoutMs = 20_000;
/** The longest that a timer runs. */
const neverMs = 2 ** 31 - 1;

export function createGrpcJsDriver(options: RpcDriverOptions): RpcDriver {
  return new GrpcJsDriver(options);
}

class GrpcJsDriver implements RpcDriver {
  readonly #server: Server;
  readonly #injector: ReturnType<Server["createConnectionInjector"]>;
  readonly #peers = new Map<string, RpcPeer>();

  constructor(readonly options: RpcDriverOptions) {
    this.#server = new Server({
      "grpc.max_receive_message_length": options.receiveBytesMax,
      "grpc.max_send_message_length": sendBytesMax,
      "grpc.max_concurrent_streams": options.concurrentStreamsMax ?? unlimitedStreams,
      // How often clients may ping is not looked at.
      "grpc.keepalive_time_ms": Math.min(options.keepAlive?.pingAfterMs ?? pingAfterMs, neverMs),
      "grpc.keepalive_timeout_ms": options.keepAlive?.pingTimeoutMs ?? pingTimeoutMs,
    });
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  addService(definition: RpcService, handlers: RpcHandlers): void {
    const calls: Record<string, UntypedHandleCall> = {};
    for (const [name, method] of Object.entries(definition)) {
      const handler = handlers[name];
      if (handler !== undefined) calls[name] = this.#call(method, handler);
    }
    this.#server.addService(definition as unknown as ServiceDefinition, calls);
  }

  accept(socket: Duplex, peer: RpcPeer): void {
    this.#peers.set(peer.address, peer);
    socket.once("close", () => this.#peers.delete(peer.address));
    this.#injector.injectConnection(socket);
  }

  drain(): Promise<void> {
    return new Promise((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  close(): Promise<void> {
    this.#server.forceShutdown();
    return Promise.resolve();
  }

  #call(method: RpcMethod, handler: (first: never, second: never) => unknown): UntypedHandleCall {
    if (method.requestStream && !method.responseStream) return this.#clientStream(method.path, handler as DuplexHandler<unknown, unknown>);
    if (method.requestStream) return this.#duplex(method.path, handler as DuplexHandler<unknown, unknown>);
    if (method.responseStream) return this.#serverStream(method.path, handler as ServerStreamHandler<unknown, unknown>);
    return this.#unary(method.path, handler as UnaryHandler<unknown, unknown>);
  }

  #unary(path: string, handler: UnaryHandler<unknown, unknown>): handleUnaryCall<unknown, unknown> {
    return (call, callback) => {
      const done = this.#timed(path);
      const view = new CallView(call, path, this.#peer(call.getPeer()));
      (async () => {
        this.options.onCall?.(view);
        return await handler(call.request, view);
      })().then(
        (response) => {
          done(0);
          callback(null, response);
        },
        (error: unknown) => {
          const failure = this.#serviceError(error);
          done(failure.code);
          callback(failure);
        },
      );
    };
  }

  #serverStream(path: string, handler: ServerStreamHandler<unknown, unknown>): handleServerStreamingCall<unknown, unknown> {
    return (call) => {
      const view = new StreamView(call, path, this.#peer(call.getPeer()), this.#ends(path));
      this.#guarded(view, () => handler(call.request, view));
    };
  }

  #duplex(path: string, handler: DuplexHandler<unknown, unknown>): handleBidiStreamingCall<unknown, unknown> {
    return (call) => {
      const view = new DuplexView(call, path, this.#peer(call.getPeer()), this.#ends(path));
      this.#guarded(view, () => handler(view));
    };
  }

  #clientStream(path: string, handler: DuplexHandler<unknown, unknown>): handleClientStreamingCall<unknown, unknown> {
    return (call, callback) => {
      const view = new DuplexView(uploadAsDuplex(call, callback), path, this.#peer(call.getPeer()), this.#ends(path));
      this.#guarded(view, () => handler(view));
    };
  }

  #guarded(view: StreamView<unknown>, run: () => void): void {
    try {
      this.options.onCall?.(view);
      run();
    } catch (error) {
      view.fail(error);
    }
  }

  #ends(path: string): { toError: (error: unknown) => ServiceError; done: (code: number) => void } {
    return { toError: (error) => this.#serviceError(error), done: this.#timed(path) };
  }

  #timed(path: string): (code: number) => void {
    const { onDone } = this.options;
    if (onDone === undefined) return () => {};
    const startedMs = performance.now();
    return (code) => onDone(path, code, performance.now() - startedMs);
  }

  #peer(address: string): RpcPeer {
    return (
      this.#peers.get(address) ??
      this.#peers.get(`[${address.slice(0, address.lastIndexOf(":"))}]${address.slice(address.lastIndexOf(":"))}`) ?? {
        address,
        commonName: undefined,
      }
    );
  }

  #serviceError(error: unknown): ServiceError {
    const { code, details } = this.options.toStatus(error);
    return Object.assign(new Error(details), { code, details, metadata: new Metadata() });
  }
}
