// What a launcher program tells the runtime over its status descriptor: fixed records of three 64-bit words (a, b, kind).
import { CLOSE_RANGE_CLOEXEC } from "./kernel-constants.js";
import type { Pointer, Program, Variable } from "./program.js";

/** The descriptor that reports go to; the runtime opens it as the fourth of the launcher's standard descriptors. */
export const statusDescriptor = 3;
export const reportBytes = 24;

const kindFailed = 1;
const kindStarted = 2;
const kindExited = 3;

export type Report =
  | { readonly kind: "failed"; readonly recordAddress: bigint; readonly errno: number }
  | { readonly kind: "started"; readonly pid: number }
  | { readonly kind: "exited"; readonly waitStatus: number };

/** Decodes one report. Throws RangeError for a kind that no program writes. */
export function decodeReport(bytes: Uint8Array): Report {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const a = view.getBigInt64(0, true);
  const b = view.getBigInt64(8, true);
  const kind = Number(view.getBigInt64(16, true));
  if (kind === kindFailed) return { kind: "failed", recordAddress: a, errno: Number(-b) };
  if (kind === kindStarted) return { kind: "started", pid: Number(a) };
  if (kind === kindExited) return { kind: "exited", waitStatus: Number(a & 0xffffffffn) };
  throw new RangeError(`Cannot decode report: kind is ${kind}`);
}

/** Exit code as a shell shows it: the program's own, or 128 + signal. Upstream: runc, containerd. */
export function exitCodeOf(waitStatus: number): number {
  const signal = waitStatus & 0x7f;
  return signal === 0 ? (waitStatus >> 8) & 0xff : 128 + signal;
}

/** Places code that reports the last failure and ends the process with `exitCode`; jump there through Program.failure. */
export function emitFailureReport(program: Program, exitCode: number): void {
  program.failure = undefined;
  program.call("write", [statusDescriptor, program.lastFailure, reportBytes], { onError: "ignore" });
  program.call("exit_group", [exitCode], { onError: "ignore" });
}

export function emitStartedReport(program: Program, pid: Variable): void {
  emitReport(program, pid, kindStarted);
}

/** `waitStatus` must hold the status in its low 32 bits. */
export function emitExitedReport(program: Program, waitStatus: Variable): void {
  emitReport(program, waitStatus, kindExited);
}

function emitReport(program: Program, value: Variable, kind: number): void {
  const record: Pointer = program.words([0, 0, kind]);
  program.copy({ kind: "variable", cell: record }, value);
  program.call("write", [statusDescriptor, record, reportBytes], { onError: "ignore" });
}

/** Makes every descriptor from `first` on close at the next execve. */
export function emitCloseOnExec(program: Program, first: number): void {
  program.call("close_range", [first, 0xffffffff, CLOSE_RANGE_CLOEXEC]);
}
