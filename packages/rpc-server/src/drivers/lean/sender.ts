// The sending half of a connection: which stream's bytes leave next, within the windows that the client gives.
//
// S1. DATA leaves only within both windows (RFC 9113, section 5.2) and while the socket is not behind; what may not leave waits in its stream.
// S2. Streams that wait take turns, one frame each.
// S3. Nothing of a stream is sent after its last block or its reset.
import { ConnectionError, errorCode, flag, frameType, initialWindow, windowMax } from "./frames.js";
import { noTableUpdate } from "./hpack/encoder.js";
import { socketBytesHigh, streamQueueBytesHigh } from "./limits.js";
import type { Output } from "./output.js";
import { responseHeadersBlock } from "./status.js";

/** What the sender keeps of each stream. */
export abstract class SendSide {
  /** Negative after the client has made its initial window smaller. */
  sendWindow: number;
  /** Message bytes that wait, with their prefixes. */
  waiting: Buffer[] | undefined;
  /** Of the first waiting piece, what has left. */
  waitingOffset = 0;
  waitingBytes = 0;
  /** Trailers, to be sent when nothing waits any more. */
  lastBlock: Buffer | undefined;
  hasSentHeaders = false;
  /** In the sender's list of streams that have something to send. */
  isListed = false;

  constructor(
    readonly id: number,
    sendWindow: number,
  ) {
    this.sendWindow = sendWindow;
  }

  /** There is room again after `waitingBytes` was at the high-water mark. */
  abstract onRoom(): void;
  abstract onLastSent(): void;
}

/** Larger frames than this are of no use, whatever the client allows: streams should take turns. */
const dataFrameBytesMax = 16_384;

export class Sender {
  /** DATA or HEADERS has left since this was last set to false. */
  hasAnswered = false;
  /** Over all streams. */
  waitingBytes = 0;
  #window = initialWindow;
  #initialStreamWindow = initialWindow;
  #frameBytesMax = dataFrameBytesMax;
  #owesTableUpdate = false;
  #listed: SendSide[] = [];
  #nextListed = 0;
  #isPumping = false;

  constructor(private readonly output: Output) {}

  get initialStreamWindow(): number {
    return this.#initialStreamWindow;
  }

  get isSocketBehind(): boolean {
    return this.output.pendingBytes > socketBytesHigh;
  }

  /** Before the first message; a server's, when it has not said anything else, are those of every answer. */
  headers(side: SendSide, block: Buffer): void {
    side.hasSentHeaders = true;
    this.#block(side.id, block, flag.none);
  }

  message(side: SendSide, bytes: Buffer): void {
    if (!side.hasSentHeaders) this.headers(side, responseHeadersBlock);
    const length = bytes.length + 5;
    const mayLeave = length <= side.sendWindow && length <= this.#window && length <= this.#frameBytesMax;
    if (mayLeave && side.waiting === undefined && !this.isSocketBehind) {
      side.sendWindow -= length;
      this.#window -= length;
      this.hasAnswered = true;
      this.output.frame(length, frameType.data, flag.none, side.id);
      this.output.messagePrefix(bytes.length);
      this.output.payload(bytes);
      return;
    }
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(bytes.length, 1);
    if (side.waiting === undefined) side.waiting = [prefix, bytes];
    else side.waiting.push(prefix, bytes);
    side.waitingBytes += length;
    this.waitingBytes += length;
    this.#list(side);
    this.pump();
  }

  /** Ends the stream with trailers, or with `block` as its only answer. */
  last(side: SendSide, block: Buffer): void {
    side.hasSentHeaders = true;
    if (side.waiting !== undefined) side.lastBlock = block;
    else this.#last(side, block);
  }

  /** An answer to what never became a stream of ours. */
  lastOf(streamID: number, block: Buffer): void {
    this.#block(streamID, block, flag.endStream);
  }

  /** Forgets what waits. */
  drop(side: SendSide): void {
    this.waitingBytes -= side.waitingBytes;
    side.waiting = undefined;
    side.waitingBytes = 0;
    side.lastBlock = undefined;
  }

  /** False: the sum is more than a window can be. */
  onStreamWindow(side: SendSide, increment: number): boolean {
    side.sendWindow += increment;
    if (side.sendWindow > windowMax) return false;
    if (side.waiting !== undefined) {
      this.#list(side);
      this.pump();
    }
    return true;
  }

  onConnectionWindow(increment: number): void {
    this.#window += increment;
    if (this.#window > windowMax) throw new ConnectionError(errorCode.flowControlError, "Connection window is above 2^31-1");
    this.pump();
  }

  onInitialWindow(bytes: number, sides: Iterable<SendSide>): void {
    const change = bytes - this.#initialStreamWindow;
    this.#initialStreamWindow = bytes;
    if (change === 0) return;
    for (const side of sides) {
      if (!this.onStreamWindow(side, change)) throw new ConnectionError(errorCode.flowControlError, "Stream window is above 2^31-1");
    }
  }

  onFrameBytesMax(bytes: number): void {
    this.#frameBytesMax = Math.min(bytes, dataFrameBytesMax);
  }

  onHeaderTableSize(bytes: number): void {
    if (bytes < 4_096) this.#owesTableUpdate = true;
  }

  /** Sends what waits, as far as the windows and the socket allow. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#nextListed < this.#listed.length && this.#window > 0 && !this.isSocketBehind) {
      const side = this.#listed[this.#nextListed++] as SendSide;
      side.isListed = false;
      if (side.waiting !== undefined && side.sendWindow > 0) this.#turn(side, side.waiting);
    }
    if (this.#nextListed === this.#listed.length || this.#nextListed > 1_024) {
      this.#listed = this.#listed.slice(this.#nextListed);
      this.#nextListed = 0;
    }
    this.#isPumping = false;
  }

  #turn(side: SendSide, waiting: Buffer[]): void {
    const length = Math.min(this.#frameBytesMax, this.#window, side.sendWindow, side.waitingBytes);
    const wasFull = side.waitingBytes >= streamQueueBytesHigh;
    this.#window -= length;
    side.sendWindow -= length;
    side.waitingBytes -= length;
    this.waitingBytes -= length;
    this.hasAnswered = true;
    this.output.frame(length, frameType.data, flag.none, side.id);
    let piece = 0;
    for (let left = length; left > 0; ) {
      const bytes = waiting[piece] as Buffer;
      const taken = Math.min(left, bytes.length - side.waitingOffset);
      this.output.payload(bytes.subarray(side.waitingOffset, side.waitingOffset + taken));
      left -= taken;
      side.waitingOffset += taken;
      if (side.waitingOffset < bytes.length) break;
      side.waitingOffset = 0;
      piece += 1;
    }
    // An empty message is a prefix with an empty piece behind it.
    while (piece < waiting.length && (waiting[piece] as Buffer).length === 0) piece += 1;
    waiting.splice(0, piece);
    if (side.waitingBytes > 0) this.#list(side);
    else {
      side.waiting = undefined;
      if (side.lastBlock !== undefined) this.#last(side, side.lastBlock);
    }
    if (wasFull && side.waitingBytes < streamQueueBytesHigh) side.onRoom();
  }

  #last(side: SendSide, block: Buffer): void {
    this.#block(side.id, block, flag.endStream);
    side.onLastSent();
  }

  #block(streamID: number, fields: Buffer, flags: number): void {
    this.hasAnswered = true;
    const block = this.#owesTableUpdate ? Buffer.concat([noTableUpdate, fields]) : fields;
    this.#owesTableUpdate = false;
    const first = Math.min(block.length, this.#frameBytesMax);
    this.output.frame(first, frameType.headers, flags | (first === block.length ? flag.endHeaders : 0), streamID);
    this.output.payload(first === block.length ? block : block.subarray(0, first));
    for (let at = first; at < block.length; ) {
      const length = Math.min(block.length - at, this.#frameBytesMax);
      this.output.frame(length, frameType.continuation, at + length === block.length ? flag.endHeaders : 0, streamID);
      this.output.payload(block.subarray(at, at + length));
      at += length;
    }
  }

  #list(side: SendSide): void {
    if (side.isListed) return;
    side.isListed = true;
    this.#listed.push(side);
  }
}
