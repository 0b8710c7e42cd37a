// Protobuf fields by hand: where one is on the way through bytes, and what a field takes.
import { sizeOfVarint, writeVarint } from "@lenj/mvcc";

/** Most of a varint's 64 bits; a number of more is none of ours. */
const numberMax = Number.MAX_SAFE_INTEGER;

export class Cursor {
  constructor(
    readonly bytes: Buffer,
    public at: number,
    private readonly end: number,
  ) {}

  /** Throws RangeError, as all of these do, for what is cut off or too large. */
  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      if (this.at >= this.end) throw new RangeError("it ends within a number");
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    if (value > numberMax) throw new RangeError("a number is larger than Number.MAX_SAFE_INTEGER");
    return value;
  }

  /** Reads a length; returns where what it belongs to ends. */
  enter(): number {
    const length = this.number();
    if (length > this.end - this.at) throw new RangeError("it ends within a field");
    return this.at + length;
  }

  /** A field's bytes: a view. */
  view(): Buffer {
    const until = this.enter();
    const bytes = this.bytes.subarray(this.at, until);
    this.at = until;
    return bytes;
  }

  /** Over a field, whatever it is. */
  skip(): void {
    const wireType = this.number() & 7;
    if (wireType === 0) this.skipVarint();
    else if (wireType === 1) this.at += 8;
    else if (wireType === 2) this.at = this.enter();
    else if (wireType === 5) this.at += 4;
    else throw new RangeError(`unknown wire type ${wireType}`);
    if (this.at > this.end) throw new RangeError("it ends within a field");
  }

  skipVarint(): void {
    while (this.at < this.end && (this.bytes[this.at++] as number) >= 0x80);
  }
}

/** A tag and the number after it: a field's value, or how long it is. Returns where it ends. */
export function writeField(bytes: Buffer, at: number, field: number, value: number): number {
  bytes[at] = field;
  return writeVarint(bytes, at + 1, value);
}

/** The same, where 0 is left out. */
export function writeNumber(bytes: Buffer, at: number, field: number, value: number): number {
  return value === 0 ? at : writeField(bytes, at, field, value);
}

/** Of a field of this many bytes: tag, length and itself. */
export const sizeOfField = (length: number): number => 1 + sizeOfVarint(length) + length;
/** Of a number with its tag, where 0 is left out. */
export const sizeOfNumber = (value: number): number => (value === 0 ? 0 : 1 + sizeOfVarint(value));
