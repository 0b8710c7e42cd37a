// One HTTP/2 connection as its server (RFC 9113): frames in, streams and answers out.
//
// Owns:  the socket, its streams, and how it ends.
// Not:   what a call means (stream), what leaves when (sender), how much may come (receive-room), where bytes wait (output).
// F1. All frames that have come are handled in one turn, and what they cause leaves in one write at its end.
// F2. Every header block is decoded, whatever becomes of its stream: the compression state is the connection's.
// F3. Whatever a client sends, what is kept for it is bounded by a name in limits.ts.
// F4. An error of a stream ends the stream, an error of the connection ends it with GOAWAY; nothing is thrown to the socket.
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "@lenj/base";
import type { KeepAliveOptions, RpcDriverOptions, RpcPeer } from "../../port.js";
import { ControlFrames } from "./control-frames.js";
import { Deadlines } from "./deadlines.js";
import { FloodGuard } from "./flood-guard.js";
import { FrameReader, type FrameSink } from "./frame-reader.js";
import { ConnectionError, errorCode, flag, frameType, uint31 } from "./frames.js";
import { HeadCache } from "./head-cache.js";
import { HeaderAssembly } from "./header-assembly.js";
import { HpackError } from "./hpack/hpack-error.js";
import { KeepAlive } from "./keep-alive.js";
import * as limits from "./limits.js";
import { Output } from "./output.js";
import { ReceiveRoom } from "./receive-room.js";
import type { RequestHead } from "./request-head.js";
import { Sender } from "./sender.js";
import { applySettings, ownSettings } from "./settings.js";
import { type Refusal, trailersOnlyBlock } from "./status.js";
import { type LeanMethod, LeanStream, type StreamHost } from "./stream.js";

/** A request's head with what the driver knows of its method. */
export type ResolvedHead =
  | { readonly head: RequestHead; readonly method: LeanMethod; readonly refusal?: never }
  | { readonly head: RequestHead; readonly method?: never; readonly refusal: Refusal };

export interface ConnectionOptions extends RpcDriverOptions {
  readonly clock: Clock;
  readonly keepAlive: KeepAliveOptions;
  readonly concurrentStreamsMax: number;
}

/** Payloads of our PINGs: for a sign of life, and for a drain. */
const alivePing = Buffer.from("alive  ?");
const drainPing = Buffer.from("drained?");
const anyStreamID = 2 ** 31 - 1;

export class Connection implements StreamHost, FrameSink {
  readonly sender: Sender;
  readonly room: ReceiveRoom;
  readonly #output: Output;
  readonly #control: ControlFrames;
  readonly #frames = new FrameReader("client");
  readonly #streams = new Map<number, LeanStream>();
  readonly #heads: HeadCache<ResolvedHead>;
  readonly #guard: FloodGuard;
  readonly #keepAlive: KeepAlive;
  readonly #deadlines: Deadlines<LeanStream>;
  readonly #prefaceTimer: Timer;
  #assembly: HeaderAssembly | undefined;
  #hasSettings = false;
  #lastID = 0;
  #runningHandlers = 0;
  #isInTurn = false;
  #isFlushScheduled = false;
  #isReadPaused = false;
  #isDraining = false;
  /** Streams above it are not looked at any more. */
  #drainedAtID = Number.POSITIVE_INFINITY;
  #drainTimer: Timer | undefined;
  /** Nothing that comes is looked at any more, nothing more is sent. */
  #isEnding = false;
  #lingerTimer: Timer | undefined;
  #isClosed = false;

  constructor(
    private readonly socket: Duplex,
    readonly peer: RpcPeer,
    readonly options: ConnectionOptions,
    resolve: (head: RequestHead) => ResolvedHead,
    private readonly onClosed: () => void,
  ) {
    const { clock } = options;
    this.#output = new Output(socket);
    this.sender = new Sender(this.#output);
    this.#control = new ControlFrames(this.#output, () => this.onOutput());
    this.room = new ReceiveRoom(this.#control);
    this.#heads = new HeadCache(resolve);
    this.#guard = new FloodGuard(clock);
    this.#deadlines = new Deadlines(
      clock,
      () => this.#streams.values(),
      (stream) => this.#onDeadline(stream),
    );
    this.#keepAlive = new KeepAlive(clock, options.keepAlive, {
      sendPing: () => this.#control.ping(flag.none, alivePing),
      onDead: () => this.destroy(),
      onIdle: () => this.drain(),
      hasStreams: () => this.#streams.size > 0,
    });
    this.#prefaceTimer = clock.after(limits.prefaceTimeoutMs, () => this.destroy());
    this.#control.settings(ownSettings(options.concurrentStreamsMax));
    this.room.open();
    socket.on("data", (bytes: Buffer) => this.#onBytes(bytes));
    socket.on("drain", () => this.#onSocketDrain());
    socket.on("end", () => this.#onSocketEnd());
    socket.on("error", () => this.destroy());
    socket.on("close", () => this.destroy());
    socket.resume();
  }

  /** Lets accepted calls end, takes no new ones, then closes. */
  drain(): void {
    if (this.#isDraining || this.#isEnding) return;
    this.#isDraining = true;
    // In two steps, so that calls that are under way to us are still taken (RFC 9113, section 6.8).
    this.#control.goAway(anyStreamID, errorCode.noError, "graceful_stop");
    this.#control.ping(flag.none, drainPing);
    this.#drainTimer = this.options.clock.after(limits.drainPingTimeoutMs, () => this.#onDrained());
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isEnding = true;
    this.#closeTimers();
    this.#lingerTimer?.cancel();
    this.#cancelStreams();
    this.socket.destroy();
    this.onClosed();
  }

  nowMs(): number {
    return this.options.clock.monotonicMs();
  }

  onOutput(): void {
    if (this.#isInTurn || this.#isFlushScheduled || this.#isEnding) return;
    this.#isFlushScheduled = true;
    // After everything that this turn of the loop resolves: answers of one group of commits leave together.
    process.nextTick(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  onHandlerStarted(): void {
    this.#runningHandlers += 1;
  }

  onHandlerEnded(): void {
    this.#runningHandlers -= 1;
  }

  onStreamSent(stream: LeanStream): void {
    this.#guard.onCallEnded();
    if (!stream.isRemoteClosed) this.#sendReset(stream.id, errorCode.noError);
    this.#remove(stream);
  }

  #onBytes(chunk: Buffer): void {
    if (this.#isEnding) return;
    this.#keepAlive.onBytes();
    this.#isInTurn = true;
    try {
      this.#frames.read(chunk, this);
    } catch (error) {
      this.#onError(error);
    }
    this.#isInTurn = false;
    this.#flush();
  }

  onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (this.#assembly !== undefined && (type !== frameType.continuation || id !== this.#assembly.streamID))
      throw new ConnectionError(errorCode.protocolError, "Frame within a header block");
    if (!this.#hasSettings && type !== frameType.settings)
      throw new ConnectionError(errorCode.protocolError, "First frame is not SETTINGS");
    switch (type) {
      case frameType.data:
        this.#onData(flags, id, bytes, start, end);
        break;
      case frameType.headers:
        this.#onHeaders(flags, id, bytes, start, end);
        break;
      case frameType.windowUpdate:
        this.#onWindowUpdate(id, bytes, start, end);
        break;
      case frameType.rstStream:
        this.#onReset(id, end - start);
        break;
      case frameType.ping:
        this.#onPing(flags, id, bytes, start, end);
        break;
      case frameType.settings:
        this.#onSettings(flags, id, bytes, start, end);
        break;
      case frameType.continuation:
        this.#onContinuation(flags, bytes, start, end);
        break;
      case frameType.priority:
        this.#onPriority(id, bytes, start, end);
        break;
      case frameType.pushPromise:
        throw new ConnectionError(errorCode.protocolError, "PUSH_PROMISE from a client");
      case frameType.goAway:
        this.#onGoAway(id, end - start);
        break;
      default:
        // Section 5.5: unknown types are ignored.
        this.#guard.onIdleFrame();
    }
    return !this.#isEnding;
  }

  #onData(flags: number, id: number, bytes: Buffer, from: number, until: number): void {
    let start = from;
    let end = until;
    if ((flags & flag.padded) !== 0) {
      end = withoutPadding(bytes, start, end);
      start += 1;
    }
    const isLast = (flags & flag.endStream) !== 0;
    const length = until - from;
    if (id === 0) throw new ConnectionError(errorCode.protocolError, "DATA on the connection");
    this.room.onData(length);
    if (start === end && !isLast) this.#guard.onIdleFrame();
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.isRemoteClosed) {
      this.#onClosedStream(id, stream);
      return;
    }
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) {
      this.#resetForError(stream, errorCode.flowControlError);
    } else if (!stream.onPayload(bytes, start, end, isLast)) {
      this.#resetForError(stream, errorCode.protocolError);
    } else this.room.topUp(stream);
  }

  /** DATA on a stream that takes none. */
  #onClosedStream(id: number, stream: LeanStream | undefined): void {
    if (stream !== undefined) this.#resetForError(stream, errorCode.streamClosed);
    else if (this.#isIdle(id)) throw new ConnectionError(errorCode.protocolError, "DATA on an idle stream");
    else if (!this.#isOverlooked(id)) {
      this.#guard.onIdleFrame();
      this.#sendReset(id, errorCode.streamClosed);
    }
  }

  #onHeaders(flags: number, id: number, bytes: Buffer, from: number, until: number): void {
    let start = from;
    let end = until;
    if (id === 0) throw new ConnectionError(errorCode.protocolError, "HEADERS on the connection");
    if ((flags & flag.padded) !== 0) {
      end = withoutPadding(bytes, start, end);
      start += 1;
    }
    let dependsOnItself = false;
    if ((flags & flag.priority) !== 0) {
      if (end - start < 5) throw new ConnectionError(errorCode.frameSizeError, "HEADERS is too short");
      dependsOnItself = uint31(bytes, start) === id;
      start += 5;
    }
    const isLast = (flags & flag.endStream) !== 0;
    if ((flags & flag.endHeaders) !== 0) {
      this.#onHeaderBlock(id, isLast, dependsOnItself, bytes, start, end);
      return;
    }
    this.#assembly = new HeaderAssembly(id, isLast, dependsOnItself);
    this.#assembly.add(bytes, start, end);
  }

  #onContinuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const assembly = this.#assembly;
    if (assembly === undefined) throw new ConnectionError(errorCode.protocolError, "CONTINUATION without HEADERS");
    assembly.add(bytes, start, end);
    if ((flags & flag.endHeaders) === 0) return;
    this.#assembly = undefined;
    const block = assembly.whole();
    this.#onHeaderBlock(assembly.streamID, assembly.isLast, assembly.dependsOnItself, block, 0, block.length);
  }

  #onHeaderBlock(id: number, isLast: boolean, dependsOnItself: boolean, bytes: Buffer, start: number, end: number): void {
    if (id > this.#lastID && (id & 1) === 1) {
      this.#lastID = id;
      const head = this.#heads.request(bytes, start, end);
      if (id > this.#drainedAtID) return;
      if (typeof head === "string" || dependsOnItself)
        this.#refuse(id, isLast, head === "tooLarge" ? errorCode.enhanceYourCalm : errorCode.protocolError);
      else this.#open(id, isLast, head);
      return;
    }
    const fault = this.#heads.trailers(bytes, start, end);
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      if (this.#isIdle(id)) throw new ConnectionError(errorCode.protocolError, "Client opens a stream with a server's number");
      if (!this.#isOverlooked(id)) throw new ConnectionError(errorCode.streamClosed, "HEADERS on a closed stream");
    } else if (stream.isRemoteClosed) this.#resetForError(stream, errorCode.streamClosed);
    else if (!isLast || fault !== undefined || dependsOnItself || !stream.onPayload(bytes, end, end, true))
      this.#resetForError(stream, errorCode.protocolError);
  }

  #open(id: number, isLast: boolean, { head, method, refusal }: ResolvedHead): void {
    const isFull =
      this.#streams.size >= this.options.concurrentStreamsMax ||
      this.#runningHandlers >= this.options.concurrentStreamsMax ||
      this.sender.waitingBytes > limits.queuedBytesMax;
    if (isFull) {
      this.#refuse(id, isLast, errorCode.refusedStream);
    } else if (refusal !== undefined) {
      this.sender.lastOf(id, trailersOnlyBlock(refusal));
      if (!isLast) this.#sendReset(id, errorCode.noError);
    } else {
      const stream = new LeanStream(id, head, method, this);
      this.#streams.set(id, stream);
      if (head.timeoutMs !== undefined) this.#deadlines.watch(stream, head.timeoutMs);
      stream.isRemoteClosed = isLast;
      stream.start();
      if (isLast && !stream.onPayload(bytes0, 0, 0, true)) this.#resetForError(stream, errorCode.protocolError);
    }
  }

  #onWindowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw new ConnectionError(errorCode.frameSizeError, "WINDOW_UPDATE is not of four bytes");
    const increment = uint31(bytes, start);
    if (id === 0) {
      if (increment === 0) throw new ConnectionError(errorCode.protocolError, "WINDOW_UPDATE of zero");
      this.sender.onConnectionWindow(increment);
      return;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      if (this.#isIdle(id)) throw new ConnectionError(errorCode.protocolError, "WINDOW_UPDATE on an idle stream");
    } else if (increment === 0) this.#resetForError(stream, errorCode.protocolError);
    else if (!this.sender.onStreamWindow(stream, increment)) this.#resetForError(stream, errorCode.flowControlError);
  }

  #onReset(id: number, length: number): void {
    if (length !== 4) throw new ConnectionError(errorCode.frameSizeError, "RST_STREAM is not of four bytes");
    if (id === 0 || this.#isIdle(id)) throw new ConnectionError(errorCode.protocolError, "RST_STREAM on an idle stream");
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.#guard.onIdleFrame();
      return;
    }
    this.#guard.onReset();
    this.#remove(stream);
    stream.cancel();
  }

  #onPing(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ConnectionError(errorCode.protocolError, "PING on a stream");
    if (end - start !== 8) throw new ConnectionError(errorCode.frameSizeError, "PING is not of eight bytes");
    if ((flags & flag.ack) !== 0) {
      this.#guard.onIdleFrame();
      if (this.#isDraining && bytes.subarray(start, end).equals(drainPing)) this.#onDrained();
      return;
    }
    this.#control.ping(flag.ack, bytes.subarray(start, end));
    const hasAnswered = this.sender.hasAnswered;
    this.sender.hasAnswered = false;
    // The words by which grpc-go's client knows that it has to ping less often.
    if (!this.#keepAlive.onPing(hasAnswered)) throw new ConnectionError(errorCode.enhanceYourCalm, "too_many_pings");
  }

  #onSettings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ConnectionError(errorCode.protocolError, "SETTINGS on a stream");
    if ((flags & flag.ack) !== 0) {
      if (start !== end) throw new ConnectionError(errorCode.frameSizeError, "Acknowledgement of SETTINGS is not empty");
      if (!this.#hasSettings) throw new ConnectionError(errorCode.protocolError, "First frame is not SETTINGS");
      this.#guard.onIdleFrame();
      return;
    }
    if ((end - start) % 6 !== 0) throw new ConnectionError(errorCode.frameSizeError, "SETTINGS is not of six bytes each");
    this.#guard.onIdleFrame();
    if (!this.#hasSettings) {
      this.#hasSettings = true;
      this.#prefaceTimer.cancel();
    }
    applySettings(bytes, start, end, this.sender, this.#streams.values());
    this.#control.settingsAck();
  }

  #onGoAway(id: number, length: number): void {
    if (id !== 0) throw new ConnectionError(errorCode.protocolError, "GOAWAY on a stream");
    if (length < 8) throw new ConnectionError(errorCode.frameSizeError, "GOAWAY is too short");
    // The client takes no streams of ours, and we open none. It closes when it has its answers.
    this.#guard.onIdleFrame();
  }

  #onPriority(id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw new ConnectionError(errorCode.protocolError, "PRIORITY on the connection");
    this.#guard.onIdleFrame();
    const stream = this.#streams.get(id);
    const code = end - start !== 5 ? errorCode.frameSizeError : uint31(bytes, start) === id ? errorCode.protocolError : errorCode.noError;
    if (code === errorCode.noError) return;
    if (stream !== undefined) this.#resetForError(stream, code);
    // A stream that is not open cannot be reset: what remains is the connection.
    else throw new ConnectionError(code, "PRIORITY is invalid");
  }

  /** Odd numbers that the client has not come to, and all of ours. */
  #isIdle(id: number): boolean {
    return id > this.#lastID || (id & 1) === 0;
  }

  /** What was under way when we reset the stream, or refused all above a number, is no error. */
  #isOverlooked(id: number): boolean {
    return this.#guard.wasResetByUs(id) || id > this.#drainedAtID;
  }

  #remove(stream: LeanStream): void {
    if (!this.#streams.delete(stream.id)) return;
    this.room.forget(stream);
    if (this.#streams.size > 0) return;
    this.#keepAlive.onNoStreams();
    if (this.#drainedAtID < Number.POSITIVE_INFINITY) this.#end();
  }

  #refuse(id: number, isLast: boolean, code: number): void {
    this.#guard.onReset();
    this.#control.reset(id, code);
    if (!isLast) this.#guard.rememberOwnReset(id);
  }

  #cutOff(stream: LeanStream): void {
    this.#sendReset(stream.id, errorCode.cancel);
    this.#remove(stream);
    stream.cancel();
  }

  #resetForError(stream: LeanStream, code: number): void {
    // Resets that a client provokes cost as much as its own (CVE-2025-8671).
    this.#guard.onReset();
    this.#sendReset(stream.id, code);
    this.#remove(stream);
    stream.cancel();
  }

  #sendReset(id: number, code: number): void {
    this.#control.reset(id, code);
    this.#guard.rememberOwnReset(id);
  }

  #onDeadline(stream: LeanStream): void {
    stream.onDeadline();
    // What still waits for room would come too late.
    if (this.#streams.has(stream.id)) this.#cutOff(stream);
  }

  /** A client that has closed its side takes no answers. */
  #onSocketEnd(): void {
    if (!this.#isEnding) this.destroy();
  }

  #onSocketDrain(): void {
    if (this.#isEnding) return;
    this.sender.pump();
    if (this.#isReadPaused) {
      this.#isReadPaused = false;
      this.socket.resume();
    }
    this.#flush();
  }

  #flush(): void {
    if (this.#isEnding) return;
    this.#output.flush();
    if (this.#isReadPaused || !this.sender.isSocketBehind) return;
    // The client does not read what we answer: neither do we read what it asks, until it does.
    if (this.#output.pendingBytes + this.sender.waitingBytes <= limits.unreadBytesMax) return;
    this.#isReadPaused = true;
    this.socket.pause();
  }

  #onDrained(): void {
    if (this.#drainedAtID < Number.POSITIVE_INFINITY || this.#isEnding) return;
    this.#drainTimer?.cancel();
    this.#drainedAtID = this.#lastID;
    this.#control.goAway(this.#lastID, errorCode.noError, "");
    if (this.#streams.size === 0) this.#end();
  }

  #onError(error: unknown): void {
    if (this.#isEnding) return;
    if (error instanceof ConnectionError) this.#endWithError(error.code, error.message);
    else if (error instanceof HpackError) this.#endWithError(errorCode.compressionError, error.message);
    else {
      this.options.logger.error("HTTP/2 connection failed unexpectedly", { peer: this.peer.address, error });
      this.#endWithError(errorCode.internalError, "");
    }
  }

  #endWithError(code: number, debug: string): void {
    this.options.logger.debug("HTTP/2 connection ended for an error", { peer: this.peer.address, code, reason: debug });
    this.#control.goAway(this.#lastID, code, debug);
    this.#end();
    this.#cancelStreams();
  }

  /** Sends what there is, and gives the client a moment to read it: closing at once would reset the connection under it. */
  #end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#closeTimers();
    this.#lingerTimer = this.options.clock.after(limits.lingerMs, () => this.destroy());
    this.#output.flush();
    this.socket.end();
    this.socket.resume();
  }

  #closeTimers(): void {
    for (const timer of [this.#prefaceTimer, this.#drainTimer]) timer?.cancel();
    this.#keepAlive.close();
    this.#deadlines.close();
  }

  #cancelStreams(): void {
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.cancel();
  }
}

const bytes0 = Buffer.alloc(0);

function withoutPadding(bytes: Buffer, start: number, end: number): number {
  if (start === end) throw new ConnectionError(errorCode.frameSizeError, "Padded frame is empty");
  const padding = bytes[start] as number;
  if (padding >= end - start) throw new ConnectionError(errorCode.protocolError, "Padding is longer than its frame");
  return end - padding;
}
