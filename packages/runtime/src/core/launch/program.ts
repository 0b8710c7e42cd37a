// Programs for the launcher: an assembler of system call records.
//
// Owns:  the layout of a program file and the symbols in it.
// Not:   what the calls do (container-program.ts, sandbox-program.ts, ...), the machine code that runs them (elf.ts).
// P1. A file is header, records, data; it is mapped at programBase, so every pointer is known here.
// P2. A record is 9 words: number, 6 arguments, error target, result destination. Words are 64 bit little endian.
// P3. A Variable as argument is copied into the record just before it runs: programs modify themselves, one process at a time.
// P4. A call that fails goes to the current failure label unless told otherwise; "ignore" carries on with the next record.
import { invariant } from "@lenj/base";
import { programBase, programBytesMax } from "./elf.js";
import { type Architecture, syscallNumber } from "./syscall-table.js";

const wordBytes = 8;
const recordBytes = 9 * wordBytes;
const headerWords = 4;

/** What the interpreter offers besides system calls; the values are wired into its machine code. */
const pseudo = {
  jump: 0x1000,
  jumpIfEqual: 0x1001,
  jumpIfEqual32: 0x1002,
  add: 0x1003,
  copy: 0x1004,
  set: 0x1005,
  subtract: 0x1006,
  check32: 0x1007,
} as const;

/** An address in the program's data, or one of its header words. */
export interface Pointer {
  readonly kind: "data" | "header";
  readonly offset: number;
}

/** An 8-byte cell of the running program. As an argument it stands for its value at that time. */
export interface Variable {
  readonly kind: "variable";
  readonly cell: Pointer;
}

/** A place in the program. */
export interface Label {
  readonly kind: "label";
  record: number | undefined;
}

export type Argument = number | bigint | Pointer | Variable;
type Word = number | bigint | Pointer | Label | { readonly argumentOf: number; readonly position: number };

interface Row {
  readonly words: readonly Word[];
  readonly note: string;
}

export interface CallOptions {
  /** Receives the result, also a negative one. */
  readonly into?: Variable;
  /** Default: the program's failure label at this place. */
  readonly onError?: Label | "ignore";
  /** What the call is about, for error messages: usually a path. */
  readonly note?: string;
}

export interface AssembledProgram {
  readonly image: Uint8Array;
  /** "mount /proc" for the record address that a failed program reported. */
  describe(recordAddress: bigint): string;
}

export class Program {
  readonly #rows: Row[] = [];
  readonly #data: { bytes: Uint8Array; words?: readonly Word[] }[] = [];
  readonly #texts = new Map<string, Pointer>();
  #dataBytes = 0;
  /** Where failing calls go from here on; undefined makes them carry on. */
  failure: Label | undefined;
  /** Header words that hold the last failure: record address, negative error number. */
  readonly lastFailure: Pointer = { kind: "header", offset: wordBytes };

  constructor(readonly architecture: Architecture) {}

  /** Adds a system call. Throws InvariantError when this CPU's kernel does not have it. */
  call(name: string, args: readonly Argument[], options: CallOptions = {}): void {
    const number = syscallNumber(this.architecture, name);
    invariant(number !== undefined, () => `No system call ${name} on ${this.architecture}`);
    invariant(args.length <= 6, () => `${name} has ${args.length} arguments`);
    const variables = [...args.entries()].filter((entry): entry is [number, Variable] => isVariable(entry[1]));
    const target = this.#rows.length + variables.length;
    for (const [position, variable] of variables)
      this.#push([pseudo.copy, { argumentOf: target, position }, variable.cell], `${name} argument`);
    const words = Array.from({ length: 6 }, (_, position): Word => {
      const argument = args[position] ?? 0;
      return isVariable(argument) ? 0 : argument;
    });
    const onError = options.onError === "ignore" ? 0 : (options.onError ?? this.failure ?? 0);
    this.#push([number, ...words, onError, options.into?.cell ?? 0], options.note === undefined ? name : `${name} ${options.note}`);
  }

  label(): Label {
    return { kind: "label", record: undefined };
  }

  /** Makes `label` mean the next record. */
  place(label: Label): void {
    invariant(label.record === undefined, () => "A label is placed once");
    label.record = this.#rows.length;
  }

  jump(label: Label): void {
    this.#push([pseudo.jump, label], "jump");
  }

  jumpIfEqual(variable: Variable, value: number | bigint, label: Label): void {
    this.#push([pseudo.jumpIfEqual, variable.cell, value, label], "compare");
  }

  /** Compares the 32-bit number at `at`. */
  jumpIfEqual32(at: Pointer, value: number, label: Label): void {
    this.#push([pseudo.jumpIfEqual32, at, value, label], "compare");
  }

  add(variable: Variable, value: number): void {
    this.#push([pseudo.add, variable.cell, value], "add");
  }

  copy(to: Variable, from: Variable): void {
    this.#push([pseudo.copy, to.cell, from.cell], "copy");
  }

  subtract(from: Variable, value: Variable): void {
    this.#push([pseudo.subtract, from.cell, value.cell], "subtract");
  }

  set(variable: Variable, value: number | bigint | Pointer): void {
    this.#push([pseudo.set, variable.cell, value], "set");
  }

  addVariable(to: Variable, value: Variable): void {
    // a + b = a - (0 - b): the interpreter has one operation less that way.
    const negated = this.variable();
    this.set(negated, 0);
    this.subtract(negated, value);
    this.subtract(to, negated);
  }

  /** Treats the signed 32-bit number at `at` like a call's result: negative means failed with that error number. */
  check32(at: Pointer, note: string): void {
    this.#push([pseudo.check32, at, 0, 0, 0, 0, 0, this.failure ?? 0], note);
  }

  variable(initial: number | bigint = 0): Variable {
    return { kind: "variable", cell: this.words([initial]) };
  }

  bytes(bytes: Uint8Array): Pointer {
    return this.#place(bytes);
  }

  /** `bytes` zero bytes that the program may write to. */
  buffer(bytes: number): Pointer {
    return this.#place(new Uint8Array(bytes));
  }

  /** A text with its terminating zero byte. Equal texts share their place. */
  text(text: string): Pointer {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    invariant(!text.includes("\0"), () => "A text for the kernel cannot contain a zero byte");
    const pointer = this.#place(new TextEncoder().encode(`${text}\0`));
    this.#texts.set(text, pointer);
    return pointer;
  }

  /** Consecutive 64-bit words, which may be pointers. */
  words(words: readonly (number | bigint | Pointer)[]): Pointer {
    const pointer = this.#place(new Uint8Array(words.length * wordBytes));
    const last = this.#data.at(-1);
    invariant(last !== undefined, () => "Data was just placed");
    last.words = words;
    return pointer;
  }

  /** A zero-terminated array of texts, as for execve. */
  textArray(texts: readonly string[]): Pointer {
    return this.words([...texts.map((text) => this.text(text)), 0]);
  }

  /** Lays the program out. Throws InvariantError when a label was never placed or the program is too large. */
  assemble(): AssembledProgram {
    const recordsStart = headerWords * wordBytes;
    const dataStart = recordsStart + this.#rows.length * recordBytes;
    const total = dataStart + this.#dataBytes;
    invariant(total <= programBytesMax, () => `Program has ${total} bytes, must be at most ${programBytesMax}`);
    const image = new Uint8Array(total);
    const view = new DataView(image.buffer);
    const resolve = (word: Word): bigint => {
      if (typeof word === "bigint") return word;
      if (typeof word === "number") return BigInt(word);
      if ("argumentOf" in word) return BigInt(programBase + recordsStart + word.argumentOf * recordBytes + (1 + word.position) * wordBytes);
      if (word.kind === "label") {
        const record = word.record;
        invariant(record !== undefined, () => "A label was used and never placed");
        return BigInt(programBase + recordsStart + record * recordBytes);
      }
      return BigInt(programBase + (word.kind === "header" ? 0 : dataStart) + word.offset);
    };
    view.setBigUint64(0, BigInt(programBase + recordsStart), true);
    // Third word of a failure report; see reports.ts.
    view.setBigUint64(3 * wordBytes, 1n, true);
    for (const [index, row] of this.#rows.entries()) {
      for (const [position, word] of row.words.entries())
        view.setBigInt64(recordsStart + index * recordBytes + position * wordBytes, BigInt.asIntN(64, resolve(word)), true);
    }
    let offset = dataStart;
    for (const { bytes, words } of this.#data) {
      image.set(bytes, offset);
      for (const [position, word] of (words ?? []).entries())
        view.setBigInt64(offset + position * wordBytes, BigInt.asIntN(64, resolve(word)), true);
      offset += bytes.length;
    }
    const notes = this.#rows.map((row) => row.note);
    return {
      image,
      describe: (address) => notes[Math.floor((Number(address) - programBase - recordsStart) / recordBytes)] ?? "unknown call",
    };
  }

  #place(bytes: Uint8Array): Pointer {
    const padded = new Uint8Array(Math.ceil(bytes.length / wordBytes) * wordBytes);
    padded.set(bytes);
    const pointer: Pointer = { kind: "data", offset: this.#dataBytes };
    this.#data.push({ bytes: padded });
    this.#dataBytes += padded.length;
    return pointer;
  }

  #push(words: readonly Word[], note: string): void {
    this.#rows.push({ words, note });
  }
}

/** `pointer` moved by `bytes`. */
export function offsetPointer(pointer: Pointer, bytes: number): Pointer {
  return { kind: pointer.kind, offset: pointer.offset + bytes };
}

function isVariable(argument: Argument): argument is Variable {
  return typeof argument === "object" && argument.kind === "variable";
}
