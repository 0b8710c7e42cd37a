// Calls of @grpc/grpc-js as the port has them.
import type { ServerReadableStream, ServiceError, sendUnaryData } from "@grpc/grpc-js";
import type { RpcCall, RpcDuplexStream, RpcMetadata, RpcPeer, RpcServerStream } from "../../port.js";

interface LibraryCall {
  readonly metadata: { get(name: string): readonly (string | Buffer)[] };
  readonly cancelled: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: the library types its listeners by event, with `any` behind them.
  on(event: string, listener: (...values: any[]) => void): unknown;
}

/** What the library's writable and duplex streams have in common. */
export interface LibraryStream<Response> extends LibraryCall {
  readonly writableNeedDrain: boolean;
  write(message: Response): boolean;
  end(): unknown;
  emit(event: "error", error: ServiceError): unknown;
}

export interface LibraryDuplex<Response> extends LibraryStream<Response> {
  pause(): unknown;
  resume(): unknown;
}

export interface StreamEnds {
  readonly toError: (error: unknown) => ServiceError;
  readonly done: (code: number) => void;
}

const cancelledCode = 1;

export class CallView implements RpcCall {
  #abort: AbortController | undefined;

  constructor(
    protected readonly call: LibraryCall,
    readonly path: string,
    readonly peer: RpcPeer,
  ) {}

  get metadata(): RpcMetadata {
    return {
      get: (name) => {
        const value = this.call.metadata.get(name)[0];
        return value === undefined ? undefined : String(value);
      },
    };
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      if (this.call.cancelled) abort.abort();
      else this.call.on("cancelled", () => abort.abort());
    }
    return this.#abort.signal;
  }
}

export class StreamView<Response> extends CallView implements RpcServerStream<Response> {
  onDrain = (): void => {};
  onClose = (): void => {};
  #isOver = false;

  constructor(
    protected override readonly call: LibraryStream<Response>,
    path: string,
    peer: RpcPeer,
    private readonly ends: StreamEnds,
  ) {
    super(call, path, peer);
    call.on("drain", () => this.onDrain());
    for (const event of ["cancelled", "close"] as const) call.on(event, () => this.#over(cancelledCode));
    call.on("error", () => this.#over(cancelledCode));
  }

  get needsDrain(): boolean {
    return this.call.writableNeedDrain;
  }

  write(message: Response): boolean {
    return this.#isOver ? true : this.call.write(message);
  }

  end(): void {
    if (this.#isOver) return;
    this.call.end();
    this.#over(0);
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    const failure = this.ends.toError(error);
    this.#over(failure.code);
    // The library sends the status of an "error" event; a destroyed stream sends none, and leaves the client waiting.
    this.call.emit("error", failure);
  }

  #over(code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.ends.done(code);
    this.onClose();
  }
}

export class DuplexView<Request, Response> extends StreamView<Response> implements RpcDuplexStream<Request, Response> {
  onMessage = (_message: Request): void => {};
  onHalfClose = (): void => {};
  readonly pause: () => void;
  readonly resume: () => void;

  constructor(call: LibraryDuplex<Response>, path: string, peer: RpcPeer, ends: StreamEnds) {
    super(call, path, peer, ends);
    call.on("data", (message: Request) => {
      try {
        this.onMessage(message);
      } catch (error) {
        this.fail(error);
      }
    });
    call.on("end", () => this.onHalfClose());
    this.pause = () => call.pause();
    this.resume = () => call.resume();
  }
}

/** A call where only the client streams, as if both did: the one answer leaves when the stream ends. */
export function uploadAsDuplex<Response>(
  call: ServerReadableStream<unknown, Response>,
  callback: sendUnaryData<Response>,
): LibraryDuplex<Response> {
  let answer: Response | null = null;
  return {
    metadata: call.metadata,
    get cancelled() {
      return call.cancelled;
    },
    on: (event, listener) => call.on(event, listener as () => void),
    pause: () => call.pause(),
    resume: () => call.resume(),
    writableNeedDrain: false,
    write: (message) => {
      answer = message;
      return true;
    },
    end: () => callback(null, answer),
    emit: (_event, error) => callback(error),
  };
}
