// JSON text of requests: parsing with upstream's words for what is wrong, and the keys that an object names twice.
//
// The engine's own parser does the work; a scan of the text finds duplicate keys, which that parser silently drops.
import { SchemaError } from "./errors.js";
import { describeSyntaxError } from "./json-syntax.js";

/** Throws SchemaError MALFORMED_JSON. */
export function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SchemaError("MALFORMED_JSON", describeSyntaxError(text), { cause: error });
  }
}

export type JSONPath = readonly (string | number)[];

/**
 * Paths of keys that their object held before, in text order. `text` must be valid JSON.
 * One pass without building values: about as fast as the engine's parser.
 */
export function findDuplicateKeys(text: string): JSONPath[] {
  return new DuplicateScan(text).run();
}

interface Container {
  /** Keys met so far; undefined for arrays. */
  readonly keys: Set<string> | undefined;
  step: string | number;
}

const quote = 0x22;
const backslash = 0x5c;

class DuplicateScan {
  readonly #text: string;
  readonly #stack: Container[] = [];
  readonly #found: JSONPath[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  run(): JSONPath[] {
    const text = this.#text;
    const stack = this.#stack;
    let expectKey = false;
    for (let i = 0; i < text.length; i++) {
      switch (text.charCodeAt(i)) {
        case quote: {
          const end = this.#stringEnd(i);
          if (expectKey) {
            this.#key(text.slice(i + 1, end));
            expectKey = false;
          }
          i = end;
          break;
        }
        case 0x7b: // {
          stack.push({ keys: new Set(), step: "" });
          expectKey = true;
          break;
        case 0x5b: // [
          stack.push({ keys: undefined, step: 0 });
          break;
        case 0x7d: // }
        case 0x5d: // ]
          stack.pop();
          expectKey = false;
          break;
        case 0x2c: {
          const top = stack.at(-1);
          if (top === undefined) break;
          if (top.keys === undefined) top.step = (top.step as number) + 1;
          else expectKey = true;
          break;
        }
      }
    }
    return this.#found;
  }

  #stringEnd(open: number): number {
    const text = this.#text;
    for (let end = text.indexOf('"', open + 1); end >= 0; end = text.indexOf('"', end + 1)) {
      let slashes = 0;
      while (text.charCodeAt(end - 1 - slashes) === backslash) slashes++;
      if (slashes % 2 === 0) return end;
    }
    return text.length;
  }

  #key(raw: string): void {
    const top = this.#stack.at(-1);
    if (top?.keys === undefined) return;
    const key = raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
    top.step = key;
    if (top.keys.has(key)) this.#found.push(this.#stack.map((container) => container.step));
    else top.keys.add(key);
  }
}
