// Fields to header blocks, without a dynamic table: every field is a literal that nobody indexes, or an entry of the static table.
// So a block is a constant, whichever connection it goes to.
import { staticTable } from "./static-table.js";

/** First in a connection's first block when the other side has made its table smaller (RFC 7541, section 4.2): we use none. */
export const noTableUpdate = Buffer.from([0x20]);

export function encodeFields(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => encodeField(name, value)));
}

function encodeField(name: string, value: string): Buffer {
  const whole = staticTable.findIndex((entry) => entry[0] === name && entry[1] === value);
  if (whole >= 0) return encodeInteger(whole + 1, 7, 0x80);
  const named = staticTable.findIndex((entry) => entry[0] === name);
  const literal = named >= 0 ? encodeInteger(named + 1, 4, 0) : Buffer.concat([Buffer.from([0]), encodeString(name)]);
  return Buffer.concat([literal, encodeString(value)]);
}

function encodeString(text: string): Buffer {
  return Buffer.concat([encodeInteger(text.length, 7, 0), Buffer.from(text, "latin1")]);
}

export function encodeInteger(value: number, prefixBits: number, pattern: number): Buffer {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) return Buffer.from([pattern | value]);
  const bytes = [pattern | mask];
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}
