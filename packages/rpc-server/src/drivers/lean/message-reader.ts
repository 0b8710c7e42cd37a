// gRPC messages out of DATA payloads that are split anywhere.
//
// M1. A message that lies whole in one payload is handed on as a view of it; one that does not is copied together.
// M2. What is allocated is at most twice what has arrived, whatever length a message claims.
import { gunzipSync } from "node:zlib";
import { uint32 } from "./frames.js";
import { StatusError, statusCode } from "./status.js";

const prefixBytes = 5;

export interface MessageSink {
  readonly receiveBytesMax: number;
  readonly isGzip: boolean;
  /** False: wants no more of this payload. */
  onMessageBytes(message: Buffer): boolean;
}

/**
 * Hands on the messages that lie whole at the front; returns where the rest begins.
 * Throws {@link StatusError}; then nothing more of this stream can be understood.
 */
export function readWhole(bytes: Buffer, from: number, end: number, sink: MessageSink): number {
  let at = from;
  while (end - at >= prefixBytes) {
    const start = at + prefixBytes;
    const length = messageLength(bytes, at, sink);
    if (start + length > end) return at;
    const message = payload(bytes[at] as number, bytes.subarray(start, start + length), sink);
    at = start + length;
    if (!sink.onMessageBytes(message)) return end;
  }
  return at;
}

/** For streams whose messages do not lie whole in one payload. */
export class MessageReader {
  #partial: Buffer | undefined;
  #filled = 0;

  /** Bytes of the message that has begun to arrive. */
  get heldBytes(): number {
    return this.#filled;
  }

  /** Throws as {@link readWhole}. */
  read(bytes: Buffer, from: number, end: number, sink: MessageSink): void {
    let at = from;
    while (at < end) {
      if (this.#filled === 0) at = readWhole(bytes, at, end, sink);
      if (at === end) return;
      at = this.#gather(bytes, at, end, sink);
      const whole = this.#whole(sink);
      if (whole !== undefined && !sink.onMessageBytes(whole)) return;
    }
  }

  #gather(bytes: Buffer, at: number, end: number, sink: MessageSink): number {
    // First the prefix alone: only it says how much belongs to this message.
    const wanted = this.#filled < prefixBytes ? prefixBytes : prefixBytes + messageLength(this.#partial as Buffer, 0, sink);
    const taken = Math.min(end - at, wanted - this.#filled);
    const needed = this.#filled + taken;
    let held = this.#partial ?? Buffer.allocUnsafeSlow(64);
    if (held.length < needed) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(wanted, needed * 2)));
      held.copy(larger, 0, 0, this.#filled);
      held = larger;
    }
    bytes.copy(held, this.#filled, at, at + taken);
    this.#partial = held;
    this.#filled = needed;
    return at + taken;
  }

  #whole(sink: MessageSink): Buffer | undefined {
    const held = this.#partial as Buffer;
    if (this.#filled < prefixBytes) return undefined;
    const length = messageLength(held, 0, sink);
    if (this.#filled < prefixBytes + length) return undefined;
    this.#partial = undefined;
    this.#filled = 0;
    return payload(held[0] as number, held.subarray(prefixBytes, prefixBytes + length), sink);
  }
}

function messageLength(bytes: Buffer, at: number, { receiveBytesMax }: MessageSink): number {
  const length = uint32(bytes, at + 1);
  if (length > receiveBytesMax)
    throw new StatusError(statusCode.resourceExhausted, `grpc: received message larger than max (${length} vs. ${receiveBytesMax})`);
  return length;
}

/** Texts are grpc-go's. */
function payload(format: number, bytes: Buffer, { isGzip, receiveBytesMax }: MessageSink): Buffer {
  if (format === 0) return bytes;
  if (format !== 1) throw new StatusError(statusCode.internal, `grpc: received unexpected payload format ${format}`);
  if (!isGzip) throw new StatusError(statusCode.internal, "grpc: compressed flag set with identity or empty encoding");
  try {
    return gunzipSync(bytes, { maxOutputLength: Math.max(1, receiveBytesMax) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const { internal, resourceExhausted } = statusCode;
    if (code !== "ERR_BUFFER_TOO_LARGE") throw new StatusError(internal, `grpc: failed to decompress the received message ${message}`);
    // How large it would have become is not known: unpacking stopped at the limit, as grpc-go's does.
    throw new StatusError(resourceExhausted, `grpc: received message larger than max (${receiveBytesMax + 1} vs. ${receiveBytesMax})`);
  }
}
