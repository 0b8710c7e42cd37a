// The pause program: waits for a signal to end, reaping whatever is handed to it meanwhile. A static ELF for x86-64 of a
// few hundred bytes, written out here so that no image has to be pulled before the first pod.
//
// Source of layout: System V ABI, ELF-64 header and one PT_LOAD program header; Linux system call numbers of x86-64.

const loadAddress = 0x400000n;
const headerBytes = 64;
const programHeaderBytes = 56;

const sys = { rtSigaction: 13, pause: 34, exitGroup: 231 } as const;
const signalNumbers = { SIGINT: 2, SIGTERM: 15, SIGCHLD: 17 } as const;
const SIG_IGN = 1;
const SA_RESTORER = 0x0400_0000;
const SA_NOCLDWAIT = 2;

/** The bytes of the executable. */
export function pauseExecutable(): Buffer {
  const textOffset = headerBytes + programHeaderBytes;
  // Text first with placeholders, to learn its length; then again with the addresses of what follows it.
  const length = text(0n, 0n).length;
  const base = loadAddress + BigInt(textOffset);
  const dataBase = base + BigInt(length);
  const code = text(dataBase, dataBase + 32n);
  const data = Buffer.concat([sigaction(base, SA_RESTORER), sigaction(BigInt(SIG_IGN), SA_RESTORER | SA_NOCLDWAIT)]);
  const total = textOffset + length + data.length;
  return Buffer.concat([elfHeader(loadAddress + BigInt(textOffset) + BigInt(exitCode().length)), programHeader(total), code, data]);
}

/** exit_group(0); doubles as the signal handler, which never returns. */
function exitCode(): Buffer {
  return Buffer.from([0xb8, ...int32(sys.exitGroup), 0x31, 0xff, 0x0f, 0x05]);
}

/** `exitAction` and `ignoreAction` are addresses of struct sigaction. */
function text(exitAction: bigint, ignoreAction: bigint): Buffer {
  return Buffer.concat([
    exitCode(),
    setAction(signalNumbers.SIGINT, exitAction),
    setAction(signalNumbers.SIGTERM, exitAction),
    setAction(signalNumbers.SIGCHLD, ignoreAction),
    // loop: pause(); jmp loop
    Buffer.from([0xb8, ...int32(sys.pause), 0x0f, 0x05, 0xeb, 0xf7]),
  ]);
}

/** rt_sigaction(signal, action, NULL, 8). */
function setAction(signal: number, action: bigint): Buffer {
  return Buffer.from([
    ...[0xb8, ...int32(sys.rtSigaction)], // mov eax, rt_sigaction
    ...[0xbf, ...int32(signal)], // mov edi, signal
    ...[0xbe, ...int32(Number(action))], // mov esi, action
    ...[0x31, 0xd2], // xor edx, edx
    ...[0x41, 0xba, ...int32(8)], // mov r10d, 8
    ...[0x0f, 0x05], // syscall
  ]);
}

/** struct sigaction of the kernel: handler, flags, restorer, mask. */
function sigaction(handler: bigint, flags: number): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeBigUInt64LE(handler, 0);
  bytes.writeBigUInt64LE(BigInt(flags), 8);
  bytes.writeBigUInt64LE(loadAddress + BigInt(headerBytes + programHeaderBytes), 16);
  return bytes;
}

function elfHeader(entry: bigint): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  header.writeUInt16LE(2, 16); // ET_EXEC
  header.writeUInt16LE(62, 18); // EM_X86_64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(entry, 24);
  header.writeBigUInt64LE(BigInt(headerBytes), 32); // program headers follow at once
  header.writeUInt16LE(headerBytes, 52);
  header.writeUInt16LE(programHeaderBytes, 54);
  header.writeUInt16LE(1, 56);
  return header;
}

function programHeader(fileBytes: number): Buffer {
  const header = Buffer.alloc(programHeaderBytes);
  header.writeUInt32LE(1, 0); // PT_LOAD
  header.writeUInt32LE(5, 4); // readable, executable
  header.writeBigUInt64LE(0n, 8);
  header.writeBigUInt64LE(loadAddress, 16);
  header.writeBigUInt64LE(loadAddress, 24);
  header.writeBigUInt64LE(BigInt(fileBytes), 32);
  header.writeBigUInt64LE(BigInt(fileBytes), 40);
  header.writeBigUInt64LE(0x1000n, 48);
  return header;
}

function int32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
}
