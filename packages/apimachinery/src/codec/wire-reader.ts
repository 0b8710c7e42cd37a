// Protobuf reading from bytes that a client sent: every length is checked against what is there.
import { SchemaError } from "../schema/errors.js";

export class WireReader {
  #at: number;
  #end: number;

  constructor(
    readonly bytes: Buffer,
    start = 0,
    end: number = bytes.length,
  ) {
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  get position(): number {
    return this.#at;
  }

  /** Narrows the reader to the length-delimited value at hand; returns the outer end for `leave`. */
  enter(): number {
    const length = this.uint32();
    const outer = this.#end;
    if (this.#at + length > outer) throw truncated();
    this.#end = this.#at + length;
    return outer;
  }

  leave(outer: number): void {
    this.#at = this.#end;
    this.#end = outer;
  }

  /** Field number times eight plus wire type. */
  uint32(): number {
    let result = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      if (this.#at >= this.#end) throw truncated();
      const byte = this.bytes[this.#at++] as number;
      result += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (result > 0xffffffff) throw malformed("proto: integer overflow");
        return result;
      }
      factor *= 0x80;
    }
    throw malformed("proto: integer overflow");
  }

  /** A signed 64-bit number; beyond 2^53 it loses low digits, as JSON numbers do. */
  int64(): number {
    let low = 0;
    let factor = 1;
    // Seven bytes hold 49 bits and stay exact; longer ones (negative numbers above all) go the slow way.
    for (let i = 0; i < 7; i++) {
      if (this.#at + i >= this.#end) throw truncated();
      const byte = this.bytes[this.#at + i] as number;
      low += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.#at += i + 1;
        return low;
      }
      factor *= 0x80;
    }
    return Number(this.bigint());
  }

  bigint(): bigint {
    let result = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.#at >= this.#end) throw truncated();
      const byte = this.bytes[this.#at++] as number;
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, result);
    }
    throw malformed("proto: integer overflow");
  }

  int32(): number {
    return this.int64() | 0;
  }

  double(): number {
    if (this.#at + 8 > this.#end) throw truncated();
    const value = this.bytes.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  text(): string {
    const length = this.uint32();
    const start = this.#at;
    this.#advance(length);
    // Short ASCII by hand: the call into native code costs more than the loop.
    if (length <= 16) {
      let text = "";
      let i = start;
      for (; i < this.#at; i++) {
        const byte = this.bytes[i] as number;
        if (byte >= 0x80) break;
        text += String.fromCharCode(byte);
      }
      if (i === this.#at) return text;
    }
    return this.bytes.toString("utf8", start, this.#at);
  }

  /** A view of the bytes, not a copy. */
  raw(): Buffer {
    const length = this.uint32();
    const start = this.#at;
    this.#advance(length);
    return this.bytes.subarray(start, this.#at);
  }

  skip(wireType: number): void {
    switch (wireType) {
      case 0:
        this.bigint();
        return;
      case 1:
        this.#advance(8);
        return;
      case 2:
        this.#advance(this.uint32());
        return;
      case 5:
        this.#advance(4);
        return;
      default:
        throw malformed(`proto: illegal wireType ${wireType}`);
    }
  }

  #advance(length: number): void {
    if (this.#at + length > this.#end) throw truncated();
    this.#at += length;
  }
}

function truncated(): SchemaError {
  return malformed("unexpected EOF");
}

export function malformed(message: string): SchemaError {
  return new SchemaError("MALFORMED_PROTOBUF", message);
}
