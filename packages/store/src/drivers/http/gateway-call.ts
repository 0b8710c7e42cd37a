// Calls that came by HTTP, as the services see calls.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { RpcCall, RpcDuplexStream, RpcMetadata, RpcPeer, RpcStatus } from "@lenj/rpc-server";

/** HTTP headers with this prefix are metadata without it. */
const metadataPrefix = "grpc-metadata-";

export class GatewayCall implements RpcCall {
  readonly metadata: RpcMetadata;
  readonly peer: RpcPeer;
  #abort: AbortController | undefined;

  constructor(
    readonly path: string,
    request: IncomingMessage,
    protected readonly response: ServerResponse,
  ) {
    const { headers, socket } = request;
    this.metadata = {
      get: (name) => {
        const value = headers[`${metadataPrefix}${name}`] ?? (name === "authorization" ? headers.authorization : undefined);
        return Array.isArray(value) ? value[0] : value;
      },
    };
    this.peer = { address: `${socket.remoteAddress ?? ""}:${socket.remotePort ?? 0}`, commonName: undefined };
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      this.response.once("close", () => abort.abort());
    }
    return this.#abort.signal;
  }
}

export interface GatewayStreamParts {
  readonly encode: (message: unknown) => string;
  readonly toStatus: (error: unknown) => RpcStatus;
  /** Answers with a failure when nothing was answered before. */
  readonly refuse: (status: RpcStatus) => void;
}

/** One line for each message; a failure after the first is a line of its own. */
export class GatewayStream extends GatewayCall implements RpcDuplexStream<unknown, unknown> {
  onMessage = (_message: unknown): void => {};
  onHalfClose = (): void => {};
  onDrain = (): void => {};
  onClose = (): void => {};
  #isOver = false;

  constructor(
    path: string,
    private readonly request: IncomingMessage,
    response: ServerResponse,
    private readonly parts: GatewayStreamParts,
  ) {
    super(path, request, response);
    response.on("drain", () => this.onDrain());
    response.on("close", () => this.#over());
  }

  /** Fails the stream with what `act` throws. */
  run(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.fail(error);
    }
  }

  get needsDrain(): boolean {
    return this.response.writableNeedDrain;
  }

  write(message: unknown): boolean {
    if (this.#isOver) return true;
    this.#begin();
    return this.response.write(this.parts.encode(message));
  }

  end(): void {
    if (this.#isOver) return;
    this.#begin();
    this.response.end();
    this.#over();
  }

  fail(error: unknown): void {
    this.failWith(this.parts.toStatus(error));
  }

  failWith(status: RpcStatus): void {
    if (this.#isOver) return;
    const { code, details } = status;
    if (this.response.headersSent) this.response.end(`${JSON.stringify({ error: { code, message: details, details: [] } })}\n`);
    else this.parts.refuse(status);
    this.#over();
  }

  pause(): void {
    this.request.pause();
  }

  resume(): void {
    this.request.resume();
  }

  #begin(): void {
    if (!this.response.headersSent) this.response.writeHead(200, { "content-type": "application/json" });
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.onClose();
  }
}
