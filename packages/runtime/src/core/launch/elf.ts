// The launcher: a static program of a few hundred bytes whose machine code is an interpreter of system calls.
//
// `launcher FILE` maps FILE at a fixed address and executes the records in it (see program.ts). All decisions are in the
// file; the machine code below never changes, needs no library and leaves 16 KB of a process resident.
//
// Interpreter, for each record: numbers below 0x1000 are system calls, the others pseudo operations (program.ts). The
// result of a call goes to the record's destination, when it has one; on an error (-4095..-1) control passes to the
// record's error target, when it has one, and the record's address and the error number are kept in the file's header.
// Registers: x64 rbx = current record, r13 = base; arm64 x19 = current record, x21 = base.
import type { Architecture } from "./syscall-table.js";

/** Where a program is mapped, and the most bytes that are. */
export const programBase = 0x10000000;
export const programBytesMax = 0x100000;

const machineCode: Readonly<Record<Architecture, string>> = {
  // openat(argv[1]); mmap(base, 1 MiB, rw, private | fixed); close; then the loop.
  x64: `
488b742410b80101000048c7c79cffffffba000008004531d20f054989c04189c4b809000000bf00000010be00001000
ba0300000041ba120000004531c90f0541bd000000104c39e87563b8030000004489e70f05498b5d00488b03483d0010
00007356488b7b08488b7310488b53184c8b53204c8b43284c8b4b300f05488b4b404885c97403488901483d01f0ffff
7216488b4b384885c9740d49895d08498945104889cbebb14883c348ebabb8e7000000bf7d0000000f0583e00f488b7b
08488b7310488b5318741dffc87421ffc87424ffc8742cffc8742dffc8742cffc8742d486307eb964889fbe969ffffff
4839377406ebb1393775ad4889d3e956ffffff480137eba0488b36488937eb98488b36482937eb90`,
  arm64: `
e10b40f9600c80920201a0d2030080d2080780d2010000d4f40300aa1500a2d2e00315aa0102a0d2620080d2430280d2
e40314aa050080d2c81b80d2010000d41f0015eb01030054e00314aa280780d2010000d4b30240f9680240f91f0540f1
82020054608640a9628e41a9649642a9010000d4692240f9490000b4200100f91ffc3fb1c3000054691e40f9890000b4
b38200a9f30309aaf0ffff1773220191eeffff17a00f80d2c80b80d2010000d4080d4092608640a9620e40f9e80100b4
1f0500f1e00100541f0900f1400200541f0d00f1800200541f1100f1c00200541f1500f1a00200541f1900f1a0020054
000080b9e0ffff17f30300aad7ffff17090040f93f0101eba1fcff54f30302aad2ffff17090040b93f01016b80ffff54
dfffff17090040f92901018b090000f9dbffff17210040f9010000f9d8ffff17210040f9090040f9290101cb090000f9
d3ffff17`,
};

const elfMachine: Readonly<Record<Architecture, number>> = { x64: 62, arm64: 183 };
const loadAddress = 0x400000;
const headerBytes = 64;
const segmentHeaderBytes = 56;

/** The launcher's executable file for one CPU. */
export function encodeLauncher(architecture: Architecture): Uint8Array {
  return encodeStaticELF(architecture, bytesFromHex(machineCode[architecture]));
}

/** A static ELF file of position-dependent code: one read-and-execute segment, no data, no writable code, no stack execution. */
export function encodeStaticELF(architecture: Architecture, code: Uint8Array): Uint8Array {
  const codeOffset = headerBytes + 2 * segmentHeaderBytes;
  const file = new Uint8Array(codeOffset + code.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, elfMachine[architecture], true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(loadAddress + codeOffset), true);
  view.setBigUint64(32, BigInt(headerBytes), true);
  view.setUint16(52, headerBytes, true);
  view.setUint16(54, segmentHeaderBytes, true);
  view.setUint16(56, 2, true);
  writeSegment(view, headerBytes, { type: 1, flags: 5, address: loadAddress, bytes: file.length, align: 0x10000 });
  writeSegment(view, headerBytes + segmentHeaderBytes, { type: 0x6474e551, flags: 6, address: 0, bytes: 0, align: 16 });
  file.set(code, codeOffset);
  return file;
}

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly bytes: number;
  readonly align: number;
}

function writeSegment(view: DataView, offset: number, segment: Segment): void {
  view.setUint32(offset, segment.type, true);
  view.setUint32(offset + 4, segment.flags, true);
  view.setBigUint64(offset + 16, BigInt(segment.address), true);
  view.setBigUint64(offset + 24, BigInt(segment.address), true);
  view.setBigUint64(offset + 32, BigInt(segment.bytes), true);
  view.setBigUint64(offset + 40, BigInt(segment.bytes), true);
  view.setBigUint64(offset + 48, BigInt(segment.align), true);
}

function bytesFromHex(text: string): Uint8Array {
  const digits = text.replace(/\s/g, "");
  return Uint8Array.from({ length: digits.length / 2 }, (_, position) => Number.parseInt(digits.slice(position * 2, position * 2 + 2), 16));
}
