// Protobuf writing from the end to the start: the length of a nested message is known when its tag is written, so one pass is
// enough. Fields are therefore written in falling order of number and come out rising, as upstream's encoder has them.

const initialBytes = 16 * 1024;
/** A writer that served a huge object gives its memory back. */
const retainedBytesMax = 1024 * 1024;

export class WireWriter {
  #buffer: Buffer = Buffer.allocUnsafeSlow(initialBytes);
  #start = this.#buffer.length;

  /** Bytes written so far. Differences of it are lengths of nested messages. */
  get length(): number {
    return this.#buffer.length - this.#start;
  }

  /** A copy of what was written; the writer is empty afterwards. */
  finish(): Buffer {
    const bytes = Buffer.from(this.#buffer.subarray(this.#start));
    this.reset();
    return bytes;
  }

  reset(): void {
    if (this.#buffer.length > retainedBytesMax) this.#buffer = Buffer.allocUnsafeSlow(initialBytes);
    this.#start = this.#buffer.length;
  }

  tag(number: number, wireType: 0 | 1 | 2): void {
    this.varint(number * 8 + wireType);
  }

  /** `value` is a whole number of at most 2^53. */
  varint(value: number): void {
    if (value < 0x80) {
      this.#reserve(1);
      this.#buffer[--this.#start] = value;
      return;
    }
    let size = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
    this.#reserve(size);
    let at = (this.#start -= size);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#buffer[at++] = (rest % 0x80) | 0x80;
    this.#buffer[at] = rest;
  }

  /** Negative numbers take ten bytes, as protobuf has it. */
  int64(value: number): void {
    if (value >= 0 && value <= Number.MAX_SAFE_INTEGER) {
      this.varint(value);
      return;
    }
    this.bigint(BigInt.asUintN(64, BigInt(value)));
  }

  /** An unsigned 64-bit value. */
  bigint(value: bigint): void {
    const bytes: number[] = [];
    let rest = value;
    for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    this.raw(Uint8Array.from(bytes));
  }

  double(value: number): void {
    this.#reserve(8);
    this.#start -= 8;
    this.#buffer.writeDoubleLE(value, this.#start);
  }

  /** UTF-8 text without tag and length. */
  text(value: string): void {
    const size = value.length;
    // Short ASCII, which most of the API is, costs less by hand than by a call into native code.
    if (size <= 24) {
      this.#reserve(size);
      const at = this.#start - size;
      let i = 0;
      for (; i < size; i++) {
        const code = value.charCodeAt(i);
        if (code >= 0x80) break;
        this.#buffer[at + i] = code;
      }
      if (i === size) {
        this.#start = at;
        return;
      }
    }
    const bytes = Buffer.byteLength(value);
    this.#reserve(bytes);
    this.#start -= bytes;
    this.#buffer.write(value, this.#start, "utf8");
  }

  base64(value: string): void {
    const bytes = Buffer.byteLength(value, "base64");
    this.#reserve(bytes);
    this.#start -= bytes;
    this.#buffer.write(value, this.#start, bytes, "base64");
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#start -= bytes.length;
    this.#buffer.set(bytes, this.#start);
  }

  /** Length and tag of what was written since `before`. */
  wrap(number: number, before: number): void {
    this.varint(this.length - before);
    this.tag(number, 2);
  }

  #reserve(bytes: number): void {
    if (this.#start >= bytes) return;
    const used = this.length;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, used + bytes));
    this.#buffer.copy(grown, grown.length - used, this.#start);
    this.#start = grown.length - used;
    this.#buffer = grown;
  }
}
