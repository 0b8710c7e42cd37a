// The port on HTTP/2 framing of our own.
//
// Owns:  the methods that are served and the open connections.
// Not:   listening; connections come in through accept().
import type { Duplex } from "node:stream";
import { type Clock, SystemClock } from "@lenj/base";
import type { RpcDriver, RpcDriverOptions, RpcHandlers, RpcPeer, RpcService } from "../../port.js";
import { Connection, type ConnectionOptions, type ResolvedHead } from "./connection.js";
import { etcdKeepAlive } from "./keep-alive.js";
import { concurrentStreamsMax } from "./limits.js";
import type { RequestHead } from "./request-head.js";
import { type Refusal, statusCode } from "./status.js";
import type { LeanMethod } from "./stream.js";

export interface LeanDriverOptions extends RpcDriverOptions {
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/**
 * Messages reach `requestDeserialize` as views of what was read from the socket: one that keeps a part of them copies it.
 */
export function createLeanDriver(options: LeanDriverOptions): RpcDriver {
  return new LeanDriver(options);
}

class LeanDriver implements RpcDriver {
  readonly #options: ConnectionOptions;
  readonly #methods = new Map<string, LeanMethod>();
  readonly #services = new Set<string>();
  readonly #connections = new Set<Connection>();
  readonly #idleWaiters: (() => void)[] = [];
  #isDraining = false;

  constructor(options: LeanDriverOptions) {
    this.#options = {
      ...options,
      clock: options.clock ?? new SystemClock(),
      keepAlive: options.keepAlive ?? etcdKeepAlive,
      concurrentStreamsMax: options.concurrentStreamsMax ?? concurrentStreamsMax,
    };
  }

  addService(definition: RpcService, handlers: RpcHandlers): void {
    for (const [name, method] of Object.entries(definition)) {
      const handler = handlers[name] as LeanMethod["handler"] | undefined;
      this.#services.add(splitPath(method.path).service);
      if (handler !== undefined) this.#methods.set(method.path, { definition: method, handler });
    }
  }

  accept(socket: Duplex, peer: RpcPeer): void {
    const connection = new Connection(
      socket,
      peer,
      this.#options,
      (head) => this.#resolve(head),
      () => this.#onClosed(connection),
    );
    this.#connections.add(connection);
    if (this.#isDraining) connection.drain();
  }

  async drain(): Promise<void> {
    this.#isDraining = true;
    for (const connection of this.#connections) connection.drain();
    if (this.#connections.size > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  close(): Promise<void> {
    this.#isDraining = true;
    for (const connection of [...this.#connections]) connection.destroy();
    return Promise.resolve();
  }

  #onClosed(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #resolve(head: RequestHead): ResolvedHead {
    if (head.refusal !== undefined) return { head, refusal: head.refusal };
    const method = this.#methods.get(head.path);
    return method === undefined ? { head, refusal: this.#unknown(head.path) } : { head, method };
  }

  /** grpc-go's words. */
  #unknown(path: string): Refusal {
    const refusal = (details: string): Refusal => ({ httpStatus: 200, code: statusCode.unimplemented, details });
    if (path.lastIndexOf("/") < 1) return refusal(`malformed method name: "${path}"`);
    const { service, method } = splitPath(path);
    return refusal(this.#services.has(service) ? `unknown method ${method} for service ${service}` : `unknown service ${service}`);
  }
}

/** "/package.Service/Method". */
function splitPath(path: string): { readonly service: string; readonly method: string } {
  const middle = path.lastIndexOf("/");
  return { service: path.slice(path.startsWith("/") ? 1 : 0, middle), method: path.slice(middle + 1) };
}
