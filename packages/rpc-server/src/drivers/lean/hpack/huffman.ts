// Huffman decoding of header strings (RFC 7541, section 5.2 and appendix B).
//
// The code of appendix B is canonical: symbols sorted by length of code, then by value, take consecutive codes. So the lengths are
// the whole table. Decoding goes four bits at a time through a table of states; no code is shorter than five bits, so a step
// finishes at most one symbol.
import { HpackError } from "./hpack-error.js";

/** Runs of [first symbol, bits each...]: the lengths of the codes of all 257 symbols (256 is end of string). */
const codeLengths: readonly number[] = [
  // 0–31: control characters
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  // 32–63: space to "?"
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  // 64–95: "@" to "_"
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  // 96–127: "`" to delete
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  // 128–255: whatever is not ASCII
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21,
  20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19,
  22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21,
  21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  // end of string
  30,
];

const endOfString = 256;
const failed = 0xffff;
/** Padding is the first bits of end of string, all ones, and shorter than a byte. */
const paddingBitsMax = 7;

/** Code and its length in bits, by symbol. */
export function huffmanCodes(): readonly { readonly code: number; readonly bits: number }[] {
  const order = codeLengths.map((_, symbol) => symbol).sort((a, b) => lengthOf(a) - lengthOf(b) || a - b);
  const codes: { code: number; bits: number }[] = [];
  let next = 0;
  let before = 0;
  for (const symbol of order) {
    const bits = lengthOf(symbol);
    next *= 2 ** (bits - before);
    codes[symbol] = { code: next, bits };
    next += 1;
    before = bits;
  }
  return codes;
}

const lengthOf = (symbol: number): number => codeLengths[symbol] ?? 0;

interface DecodeTable {
  /** By state * 16 + four bits: the state afterwards, or `failed`. */
  readonly next: Uint16Array;
  /** By state * 16 + four bits: the symbol that was finished, or -1. */
  readonly symbol: Int16Array;
  /** By state: whether a string may end here. */
  readonly mayEnd: Uint8Array;
}

function buildTable(): DecodeTable {
  // An inner node of the code's tree is a state; a leaf is -1 - symbol.
  const children: [number, number][] = [[0, 0]];
  for (const [symbol, { code, bits }] of huffmanCodes().entries()) {
    let node = 0;
    for (let bit = bits - 1; bit >= 0; bit--) {
      const pair = children[node] as [number, number];
      const side = (Math.floor(code / 2 ** bit) & 1) as 0 | 1;
      if (bit === 0) pair[side] = -1 - symbol;
      else {
        if (pair[side] === 0) pair[side] = children.push([0, 0]) - 1;
        node = pair[side];
      }
    }
  }
  const next = new Uint16Array(children.length * 16);
  const symbol = new Int16Array(children.length * 16).fill(-1);
  for (let state = 0; state < children.length; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = state;
      for (let bit = 3; bit >= 0 && node !== failed; bit--) {
        node = (children[node] as [number, number])[((nibble >> bit) & 1) as 0 | 1];
        if (node >= 0) continue;
        if (-1 - node === endOfString) node = failed;
        else {
          symbol[state * 16 + nibble] = -1 - node;
          node = 0;
        }
      }
      next[state * 16 + nibble] = node;
    }
  }
  const mayEnd = new Uint8Array(children.length);
  for (let node = 0, depth = 0; depth <= paddingBitsMax; depth++) {
    mayEnd[node] = 1;
    node = (children[node] as [number, number])[1];
  }
  return { next, symbol, mayEnd };
}

const table = buildTable();
let scratch = Buffer.allocUnsafe(256);

/**
 * The string whose code stands in `bytes` from `start` to `end`, one character a byte.
 * Throws {@link HpackError} for end of string within the string and for padding that is too long or not all ones.
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string {
  // The shortest code has five bits.
  const lengthMax = Math.floor(((end - start) * 8) / 5);
  if (scratch.length < lengthMax) scratch = Buffer.allocUnsafe(lengthMax);
  const { next, symbol, mayEnd } = table;
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    for (let shift = 4; shift >= 0; shift -= 4) {
      const step = state * 16 + ((byte >> shift) & 15);
      const found = symbol[step] as number;
      if (found >= 0) scratch[length++] = found;
      state = next[step] as number;
      if (state === failed) throw new HpackError("Huffman code contains end of string");
    }
  }
  if (mayEnd[state] !== 1) throw new HpackError("Huffman code ends with invalid padding");
  return scratch.toString("latin1", 0, length);
}

/** The Huffman code of a string of one character a byte. */
export function encodeHuffman(text: string): Buffer {
  const codes = huffmanCodes();
  let bits = "";
  for (let at = 0; at < text.length; at++) {
    const entry = codes[text.charCodeAt(at)];
    if (entry !== undefined) bits += entry.code.toString(2).padStart(entry.bits, "0");
  }
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}
