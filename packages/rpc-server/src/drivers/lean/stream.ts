// One call: from a request's headers to its trailers.
//
// C1. `#isOver` turns true once, whoever ends the call; then `onDone` and `onClose` run, and nothing of the handler reaches the wire.
// C2. What a handler or codec throws ends its own call and nothing else.
import type { RpcCall, RpcDriverOptions, RpcDuplexStream, RpcMetadata, RpcMethod, RpcPeer } from "../../port.js";
import { streamQueueBytesHigh, streamWindowBytes } from "./limits.js";
import { MessageReader, type MessageSink, readWhole } from "./message-reader.js";
import type { ReceiveRoom, ReceiveSide } from "./receive-room.js";
import type { RequestHead } from "./request-head.js";
import { type Sender, SendSide } from "./sender.js";
import { okTrailersBlock, StatusError, statusCode, trailersBlock, trailersOnlyBlock } from "./status.js";

export interface LeanMethod {
  readonly definition: RpcMethod;
  /** A UnaryHandler, ServerStreamHandler or DuplexHandler, as the definition says. */
  readonly handler: (first: unknown, second: unknown) => unknown;
}

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly options: RpcDriverOptions;
  readonly peer: RpcPeer;
  readonly sender: Sender;
  nowMs(): number;
  /** Something was given to the sender: it leaves at the end of this turn of the loop. */
  onOutput(): void;
  readonly room: ReceiveRoom;
  onHandlerStarted(): void;
  onHandlerEnded(): void;
  /** Everything has been sent; the client has not, unless `isRemoteClosed`. */
  onStreamSent(stream: LeanStream): void;
}

const nothing = (): void => {};

export class LeanStream extends SendSide implements RpcDuplexStream<unknown, unknown>, MessageSink, ReceiveSide {
  onDrain: () => void = nothing;
  onClose: () => void = nothing;
  onMessage: (message: unknown) => void = nothing;
  onHalfClose: () => void = nothing;
  receiveWindow = streamWindowBytes;
  isRemoteClosed = false;
  /** On the host's clock; undefined: none. */
  deadlineMs: number | undefined;
  #isPaused = false;
  #isOver = false;
  #isCancelled = false;
  #receivedBytes = 0;
  #heldBytes = 0;
  #reader: MessageReader | undefined;
  #request: Buffer | undefined;
  #abort: AbortController | undefined;
  readonly #startedMs: number;

  constructor(
    id: number,
    readonly head: RequestHead,
    private readonly method: LeanMethod,
    private readonly host: StreamHost,
  ) {
    super(id, host.sender.initialStreamWindow);
    this.#startedMs = host.options.onDone === undefined ? 0 : host.nowMs();
  }

  get path(): string {
    return this.head.path;
  }

  get metadata(): RpcMetadata {
    return this.head;
  }

  get peer(): RpcPeer {
    return this.host.peer;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#isCancelled) this.#abort.abort();
    return this.#abort.signal;
  }

  get receiveBytesMax(): number {
    return this.host.options.receiveBytesMax;
  }

  get isGzip(): boolean {
    return this.head.isGzip;
  }

  get needsDrain(): boolean {
    return this.waitingBytes >= streamQueueBytesHigh;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get wantsMore(): boolean {
    return !this.#isPaused && !this.isRemoteClosed && !this.#isOver;
  }

  /** The headers have come: calls whose client streams begin now, others when their one message has come. */
  start(): void {
    if (!this.method.definition.requestStream) return;
    try {
      this.#refuseOrRun(() => this.method.handler(this, undefined));
    } catch (error) {
      this.fail(error);
    }
  }

  /** False: the payload does not fit what the headers declared. */
  onPayload(bytes: Buffer, start: number, end: number, isLast: boolean): boolean {
    const { contentLength } = this.head;
    if (contentLength !== undefined) {
      this.#receivedBytes += end - start;
      if (this.#receivedBytes > contentLength || (isLast && this.#receivedBytes < contentLength)) return false;
    }
    this.isRemoteClosed = isLast;
    if (!this.#isOver && start < end) this.#read(bytes, start, end);
    if (isLast && !this.#isOver) this.#onRemoteEnd();
    return true;
  }

  #onRemoteEnd(): void {
    if (this.#heldBytes > 0) this.fail(new StatusError(statusCode.internal, "unexpected EOF"));
    else if (this.method.definition.requestStream) this.#guard(() => this.onHalfClose());
    else if (this.#request === undefined) {
      // The same words as grpc-js, and the code that gRPC's specification has for a wrong number of requests.
      const kind = this.method.definition.responseStream ? "server streaming" : "unary";
      this.fail(new StatusError(statusCode.unimplemented, `Received no request message for ${kind} method ${this.path}`));
    } else this.#run(this.#request);
  }

  onMessageBytes(bytes: Buffer): boolean {
    const { definition } = this.method;
    if (definition.requestStream) {
      this.#guard(() => this.onMessage(this.#deserialize(bytes)));
    } else if (this.#request === undefined) {
      this.#request = bytes;
    } else {
      const kind = definition.responseStream ? "server streaming" : "unary";
      this.fail(new StatusError(statusCode.unimplemented, `Received a second request message for ${kind} method ${this.path}`));
    }
    return !this.#isOver;
  }

  write(message: unknown): boolean {
    if (this.#isOver) return true;
    try {
      this.host.sender.message(this, this.#serialize(message));
    } catch (error) {
      this.fail(error);
    }
    this.host.onOutput();
    return this.#isOver || !this.needsDrain;
  }

  end(): void {
    this.#finish(statusCode.ok, "");
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    const { code, details } = error instanceof StatusError ? error : this.#statusOf(error);
    this.#finish(code, details);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.host.room.topUp(this);
  }

  onRoom(): void {
    if (!this.#isOver) this.#guard(() => this.onDrain());
  }

  onLastSent(): void {
    this.host.onStreamSent(this);
  }

  /** The client has reset the stream, or the connection has ended. Nothing is sent any more. */
  cancel(): void {
    this.#isCancelled = true;
    this.host.sender.drop(this);
    this.#hold(0);
    const wasOver = this.#isOver;
    this.#isOver = true;
    this.#abort?.abort();
    if (!wasOver) this.#over(statusCode.cancelled);
  }

  onDeadline(): void {
    if (this.#isOver) return;
    this.#isCancelled = true;
    this.#finish(statusCode.deadlineExceeded, "context deadline exceeded");
    this.#abort?.abort();
  }

  #read(bytes: Buffer, start: number, end: number): void {
    try {
      const at = this.#reader === undefined ? readWhole(bytes, start, end, this) : start;
      if (at === end) return;
      const reader = (this.#reader ??= new MessageReader());
      reader.read(bytes, at, end, this);
      if (!this.#isOver) this.#hold(reader.heldBytes);
    } catch (error) {
      this.fail(error);
    }
  }

  #hold(bytes: number): void {
    const change = bytes - this.#heldBytes;
    if (change === 0) return;
    this.#heldBytes = bytes;
    this.host.room.onHeld(this, change);
  }

  #run(bytes: Buffer): void {
    this.#request = undefined;
    try {
      const request = this.#deserialize(bytes);
      if (this.method.definition.responseStream) this.#refuseOrRun(() => this.method.handler(request, this));
      else this.#runUnary(request);
    } catch (error) {
      this.fail(error);
    }
  }

  #runUnary(request: unknown): void {
    this.host.options.onCall?.(this as RpcCall);
    const response = this.method.handler(request, this);
    if (!(response instanceof Promise)) {
      this.#answer(response);
      return;
    }
    this.host.onHandlerStarted();
    response.then(
      (value) => {
        this.host.onHandlerEnded();
        this.#guard(() => this.#answer(value));
      },
      (error: unknown) => {
        this.host.onHandlerEnded();
        this.fail(error);
      },
    );
  }

  #answer(response: unknown): void {
    if (this.#isOver) return;
    this.host.sender.message(this, this.#serialize(response));
    this.#finish(statusCode.ok, "");
  }

  #refuseOrRun(run: () => unknown): void {
    this.host.options.onCall?.(this as RpcCall);
    run();
  }

  /** Whatever follows from the end of the call comes after its bytes. */
  #finish(code: number, details: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const hasMessages = this.hasSentHeaders;
    const isOk = code === statusCode.ok && details === "";
    const status = { code, details };
    const block = hasMessages ? (isOk ? okTrailersBlock : trailersBlock(status)) : trailersOnlyBlock(status);
    this.#hold(0);
    this.host.sender.last(this, block);
    this.host.onOutput();
    this.#over(code);
  }

  #over(code: number): void {
    const { onDone, logger } = this.host.options;
    this.#request = undefined;
    this.#reader = undefined;
    try {
      onDone?.(this.path, code, this.host.nowMs() - this.#startedMs);
      this.onClose();
    } catch (error) {
      logger.error("Handler failed after its call had ended", { path: this.path, error });
    }
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }

  #deserialize(bytes: Buffer): unknown {
    try {
      return this.method.definition.requestDeserialize(bytes);
    } catch (error) {
      throw new StatusError(statusCode.internal, `grpc: error unmarshalling request: ${error instanceof Error ? error.message : error}`);
    }
  }

  #serialize(message: unknown): Buffer {
    try {
      return this.method.definition.responseSerialize(message as never);
    } catch (error) {
      throw new StatusError(statusCode.internal, `grpc: error while marshaling: ${error instanceof Error ? error.message : error}`);
    }
  }

  #statusOf(error: unknown): { readonly code: number; readonly details: string } {
    try {
      return this.host.options.toStatus(error);
    } catch (failure) {
      this.host.options.logger.error("Error could not be turned into a status", { path: this.path, error, failure });
      return { code: statusCode.unknown, details: "" };
    }
  }
}
