// One gRPC stream on an HTTP/2 connection of its own, as its client: for the few streams on which a process lives.
//
// Owns:  the connection, from the first packet to the last.
// Not:   connecting again, which is the owner's; what messages mean.
// C1. `onClose` runs exactly once, whoever ended the stream; nothing comes after it.
// C2. What is written before the server has answered waits in memory; the owner looks at `waitingBytes`.
// C3. A server that says nothing, to a PING neither, is given up.
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTLS, type PeerCertificate } from "node:tls";
import type { Clock, Timer } from "@lenj/base";
import type { RpcStatus } from "../../../port.js";
import { ControlFrames } from "../control-frames.js";
import { FrameReader, type FrameSink } from "../frame-reader.js";
import { ConnectionError, errorCode, flag, frameType, preface, setting, uint31, uint32 } from "../frames.js";
import { HeaderAssembly } from "../header-assembly.js";
import { HpackDecoder } from "../hpack/decoder.js";
import { encodeFields } from "../hpack/encoder.js";
import { headerTableBytes, streamWindowBytes } from "../limits.js";
import { MessageReader } from "../message-reader.js";
import { Output } from "../output.js";
import { ReceiveRoom, type ReceiveSide } from "../receive-room.js";
import { Sender, SendSide } from "../sender.js";
import { applySettings } from "../settings.js";
import { StatusError, statusCode } from "../status.js";
import { ResponseHead } from "./response-head.js";

/** PEM texts. */
export interface ClientTLS {
  /** Authorities of the server's certificate; left out, the machine's. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** What to ask for by SNI, where the host is an address. */
  readonly serverName?: string | undefined;
  /** Takes whatever certificate the server shows. */
  readonly isUnverified?: boolean | undefined;
  readonly checkServerIdentity?: ((host: string, certificate: PeerCertificate) => Error | undefined) | undefined;
}

export interface ClientStreamOptions {
  /** "host:port". */
  readonly target: string;
  readonly tls?: ClientTLS | undefined;
  /** "/package.Service/Method". */
  readonly path: string;
  /** Largest message taken, in bytes. */
  readonly receiveBytesMax: number;
  /** Until the server's SETTINGS have come. */
  readonly connectTimeoutMs: number;
  /** How long the server may be silent before it is asked for a sign of life, and then how long until it is given up. */
  readonly keepAlive: { readonly timeMs: number; readonly timeoutMs: number };
  readonly clock: Clock;
  /** A view of what was read from the socket. */
  readonly onMessage: (message: Buffer) => void;
  readonly onClose: (status: RpcStatus) => void;
}

const streamID = 1;
const alivePing = Buffer.from("alive  ?");

export class ClientStream extends SendSide implements FrameSink, ReceiveSide {
  receiveWindow = streamWindowBytes;
  readonly isGzip = false;
  readonly #socket: Socket;
  readonly #output: Output;
  readonly #sender: Sender;
  readonly #control: ControlFrames;
  readonly #room: ReceiveRoom;
  readonly #frames = new FrameReader("server");
  readonly #headers = new HpackDecoder(headerTableBytes);
  readonly #messages = new MessageReader();
  readonly #head = new ResponseHead();
  #assembly: HeaderAssembly | undefined;
  #timer: Timer;
  #heardMs: number;
  #isAsked = false;
  #hasSettings = false;
  #isClosed = false;
  #isRefused = false;

  /** Connects. Whatever goes wrong is said by `onClose`. */
  constructor(readonly options: ClientStreamOptions) {
    super(streamID, 0);
    const { clock, connectTimeoutMs, tls, path, target } = options;
    this.#socket = connectTo(target, tls);
    this.#output = new Output(this.#socket);
    this.#sender = new Sender(this.#output);
    this.sendWindow = this.#sender.initialStreamWindow;
    this.#control = new ControlFrames(this.#output, () => {});
    this.#room = new ReceiveRoom(this.#control);
    this.#heardMs = clock.monotonicMs();
    this.#timer = clock.after(connectTimeoutMs, () => this.#fail(statusCode.unavailable, `no answer from ${target}`));
    this.#output.payload(preface);
    this.#control.settings([
      [setting.enablePush, 0],
      [setting.initialWindowSize, streamWindowBytes],
    ]);
    this.#room.open();
    this.#sender.headers(this, requestHead(path, target, tls !== undefined));
    this.#socket.on("data", (bytes: Buffer) => this.#onBytes(bytes));
    this.#socket.on("error", (error: NodeJS.ErrnoException) => this.#onSocketError(error));
    this.#socket.on("end", () => this.#fail(statusCode.unavailable, "connection closed"));
    this.#socket.on("close", () => this.#fail(statusCode.unavailable, "connection closed"));
    this.#socket.on("drain", () => {
      this.#sender.pump();
      this.#output.flush();
    });
    this.#output.flush();
  }

  /** It is over because nobody listens at the target. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  get wantsMore(): boolean {
    return !this.#isClosed;
  }

  get heldBytes(): number {
    return this.#messages.heldBytes;
  }

  get receiveBytesMax(): number {
    return this.options.receiveBytesMax;
  }

  write(message: Buffer): void {
    if (this.#isClosed) return;
    this.#sender.message(this, message);
    this.#output.flush();
  }

  /** Written and not yet taken by the system. */
  get unsentBytes(): number {
    return this.waitingBytes + this.#output.pendingBytes;
  }

  close(): void {
    this.#fail(statusCode.cancelled, "closed");
  }

  onRoom(): void {}

  onLastSent(): void {}

  onMessageBytes(message: Buffer): boolean {
    this.options.onMessage(message);
    return !this.#isClosed;
  }

  onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (this.#assembly !== undefined && type !== frameType.continuation)
      throw new ConnectionError(errorCode.protocolError, "Frame within a header block");
    if (!this.#hasSettings && type !== frameType.settings)
      throw new ConnectionError(errorCode.protocolError, "First frame is not SETTINGS");
    switch (type) {
      case frameType.data:
        this.#onData(flags, bytes, start, end);
        break;
      case frameType.headers:
        this.#onHeaders(flags, bytes, start, end);
        break;
      case frameType.continuation:
        this.#onContinuation(flags, bytes, start, end);
        break;
      case frameType.settings:
        this.#onSettings(flags, bytes, start, end);
        break;
      case frameType.windowUpdate:
        this.#onWindowUpdate(id, bytes, start, end);
        break;
      case frameType.ping:
        if ((flags & flag.ack) === 0) this.#control.ping(flag.ack, bytes.subarray(start, end));
        break;
      case frameType.rstStream:
        this.#onReset(bytes, start, end);
        break;
      case frameType.goAway:
        // A server that drains lets this stream end by itself.
        if (end - start < 8 || uint31(bytes, start) < streamID) this.#fail(statusCode.unavailable, "server is going away");
        break;
      case frameType.pushPromise:
        throw new ConnectionError(errorCode.protocolError, "PUSH_PROMISE, which is switched off");
      default:
      // Section 5.5: unknown types are ignored; PRIORITY is a server's to read.
    }
    return !this.#isClosed;
  }

  #onBytes(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.#heardMs = this.options.clock.monotonicMs();
    this.#isAsked = false;
    try {
      this.#frames.read(chunk, this);
    } catch (error) {
      const code = error instanceof StatusError ? error.code : statusCode.internal;
      this.#fail(code, error instanceof StatusError ? error.details : (error as Error).message);
    }
    if (!this.#isClosed) this.#output.flush();
  }

  #onData(flags: number, bytes: Buffer, from: number, until: number): void {
    const [start, end] = (flags & flag.padded) === 0 ? [from, until] : [from + 1, until - (bytes[from] as number)];
    if (start > end) throw new ConnectionError(errorCode.protocolError, "Padding is longer than its frame");
    this.#room.onData(until - from);
    this.receiveWindow -= until - from;
    if (this.receiveWindow < 0) throw new ConnectionError(errorCode.flowControlError, "More DATA than there is room for");
    this.#messages.read(bytes, start, end, this);
    if (this.#isClosed) return;
    this.#room.topUp(this);
    if ((flags & flag.endStream) !== 0) this.#end();
  }

  #onHeaders(flags: number, bytes: Buffer, from: number, until: number): void {
    let [start, end] = (flags & flag.padded) === 0 ? [from, until] : [from + 1, until - (bytes[from] as number)];
    if ((flags & flag.priority) !== 0) start += 5;
    if (start > end) throw new ConnectionError(errorCode.protocolError, "Padding is longer than its frame");
    const isLast = (flags & flag.endStream) !== 0;
    if ((flags & flag.endHeaders) !== 0) {
      this.#onBlock(bytes, start, end, isLast);
      return;
    }
    this.#assembly = new HeaderAssembly(streamID, isLast, false);
    this.#assembly.add(bytes, start, end);
  }

  #onContinuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const assembly = this.#assembly;
    if (assembly === undefined) throw new ConnectionError(errorCode.protocolError, "CONTINUATION without HEADERS");
    assembly.add(bytes, start, end);
    if ((flags & flag.endHeaders) === 0) return;
    this.#assembly = undefined;
    const block = assembly.whole();
    this.#onBlock(block, 0, block.length, assembly.isLast);
  }

  #onBlock(bytes: Buffer, start: number, end: number, isLast: boolean): void {
    this.#headers.decode(bytes, start, end, (name, value) => this.#head.add(name, value));
    if (isLast) this.#end();
  }

  #onSettings(flags: number, bytes: Buffer, start: number, end: number): void {
    if ((flags & flag.ack) !== 0) return;
    if ((end - start) % 6 !== 0) throw new ConnectionError(errorCode.frameSizeError, "SETTINGS is not of six bytes a setting");
    applySettings(bytes, start, end, this.#sender, [this]);
    this.#control.settingsAck();
    if (this.#hasSettings) return;
    this.#hasSettings = true;
    this.#timer.cancel();
    this.#watchLife();
  }

  #onWindowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    const increment = end - start === 4 ? uint31(bytes, start) : 0;
    if (increment === 0) throw new ConnectionError(errorCode.protocolError, "WINDOW_UPDATE of nothing");
    if (id === 0) this.#sender.onConnectionWindow(increment);
    else if (!this.#sender.onStreamWindow(this, increment))
      throw new ConnectionError(errorCode.flowControlError, "Stream window is above 2^31-1");
  }

  #onReset(bytes: Buffer, start: number, end: number): void {
    const code = end - start === 4 ? uint32(bytes, start) : errorCode.internalError;
    this.#fail(code === errorCode.cancel ? statusCode.cancelled : statusCode.unavailable, `stream was reset with code ${code}`);
  }

  #onSocketError({ message, code }: NodeJS.ErrnoException): void {
    this.#isRefused = code === "ECONNREFUSED";
    this.#fail(statusCode.unavailable, message);
  }

  #watchLife(): void {
    const { clock, keepAlive, target } = this.options;
    const silentMs = clock.monotonicMs() - this.#heardMs;
    if (silentMs >= keepAlive.timeMs && this.#isAsked) {
      this.#fail(statusCode.unavailable, `no sign of life from ${target}`);
      return;
    }
    if (silentMs >= keepAlive.timeMs) {
      this.#isAsked = true;
      this.#control.ping(flag.none, alivePing);
      this.#output.flush();
    }
    this.#timer = clock.after(this.#isAsked ? keepAlive.timeoutMs : keepAlive.timeMs - silentMs, () => this.#watchLife());
  }

  #end(): void {
    this.#over(this.#head.status());
  }

  #fail(code: number, details: string): void {
    this.#over({ code, details });
  }

  #over(status: RpcStatus): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer.cancel();
    this.#sender.drop(this);
    this.#socket.destroy();
    this.options.onClose(status);
  }
}

function connectTo(target: string, tls: ClientTLS | undefined): Socket {
  const at = target.lastIndexOf(":");
  const [host, port] = [target.slice(0, at).replace(/^\[|\]$/g, ""), Number(target.slice(at + 1))];
  if (tls === undefined) {
    const socket = connectPlain({ host, port, noDelay: true });
    return socket;
  }
  const { serverName, checkServerIdentity, isUnverified, ca, cert, key } = tls;
  const socket = connectTLS({
    ...{ host, port, ALPNProtocols: ["h2"] },
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(checkServerIdentity === undefined ? {} : { checkServerIdentity }),
    ...(isUnverified === true ? { rejectUnauthorized: false } : {}),
  });
  socket.setNoDelay(true);
  socket.on("secureConnect", () => {
    if (socket.alpnProtocol !== "h2") socket.destroy(new Error(`${target} does not speak HTTP/2`));
  });
  return socket;
}

function requestHead(path: string, target: string, isSecure: boolean): Buffer {
  return encodeFields([
    [":method", "POST"],
    [":scheme", isSecure ? "https" : "http"],
    [":path", path],
    [":authority", target],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
    ["user-agent", "lenj"],
  ]);
}
