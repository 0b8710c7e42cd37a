// What a connection is about to send: frames gathered in memory, given to the socket in one write a turn.
//
// O1. Bytes leave in the order in which they were put in.
// O2. Memory that was given to the socket is not written again: frames go one after another through a slab until it is full.
import type { Duplex } from "node:stream";

const slabBytesMin = 4 * 1_024;
const slabBytesMax = 64 * 1_024;
/** From here on a payload is sent from where it stands instead of being copied. */
const referencedBytesMin = 4 * 1_024;

export class Output {
  #slab: Buffer = Buffer.alloc(0);
  /** First byte of the slab that no part has. */
  #start = 0;
  #at = 0;
  #slabBytes = slabBytesMin;
  #parts: Buffer[] = [];
  /** In `#parts`. */
  #partBytes = 0;

  constructor(private readonly socket: Duplex) {}

  /** Put in and not yet flushed, or flushed and not yet taken by the system. */
  get pendingBytes(): number {
    return this.#partBytes + this.#at - this.#start + this.socket.writableLength;
  }

  get isEmpty(): boolean {
    return this.#at === this.#start && this.#partBytes === 0;
  }

  /** A frame header (RFC 9113, section 4.1); its payload must follow. */
  frame(length: number, type: number, flags: number, streamID: number): void {
    this.#reserve(9);
    const slab = this.#slab;
    const at = this.#at;
    slab[at] = length >> 16;
    slab[at + 1] = length >> 8;
    slab[at + 2] = length;
    slab[at + 3] = type;
    slab[at + 4] = flags;
    slab[at + 5] = streamID >> 24;
    slab[at + 6] = streamID >> 16;
    slab[at + 7] = streamID >> 8;
    slab[at + 8] = streamID;
    this.#at = at + 9;
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#at = this.#slab.writeUInt32BE(value, this.#at);
  }

  /** In front of a gRPC message: not compressed, and its length. */
  messagePrefix(length: number): void {
    this.#reserve(5);
    this.#slab[this.#at++] = 0;
    this.#at = this.#slab.writeUInt32BE(length, this.#at);
  }

  /** The caller does not change `bytes` from here on. */
  payload(bytes: Uint8Array): void {
    if (bytes.length < referencedBytesMin) {
      this.#reserve(bytes.length);
      this.#slab.set(bytes, this.#at);
      this.#at += bytes.length;
      return;
    }
    this.#seal();
    this.#parts.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    this.#partBytes += bytes.length;
  }

  flush(): void {
    const flushedBytes = this.#partBytes + this.#at - this.#start;
    if (flushedBytes === 0) return;
    if (this.#partBytes === 0) {
      const bytes = this.#slab.subarray(this.#start, this.#at);
      this.#start = this.#at;
      this.socket.write(bytes);
    } else {
      this.#seal();
      const parts = this.#parts;
      this.#parts = [];
      this.#partBytes = 0;
      this.socket.cork();
      for (const part of parts) this.socket.write(part);
      this.socket.uncork();
    }
    // A busy connection gets larger slabs, an idle one goes back to small ones.
    this.#slabBytes = Math.min(slabBytesMax, Math.max(slabBytesMin, flushedBytes * 4));
  }

  #reserve(bytes: number): void {
    if (this.#slab.length - this.#at >= bytes) return;
    this.#seal();
    this.#slab = Buffer.allocUnsafeSlow(Math.max(this.#slabBytes, bytes));
    this.#start = this.#at = 0;
  }

  #seal(): void {
    if (this.#at === this.#start) return;
    this.#parts.push(this.#slab.subarray(this.#start, this.#at));
    this.#partBytes += this.#at - this.#start;
    this.#start = this.#at;
  }
}
