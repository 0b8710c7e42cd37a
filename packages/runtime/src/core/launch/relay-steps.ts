// Helper processes of a launcher program that move bytes between two descriptors, one process a direction.
//
// One process a direction, because a single loop over both could block writing one way while the other side waits for it.

import { programBase, programBytesMax } from "./elf.js";
import {
  CLOCK_REALTIME,
  FIONREAD,
  O_CLOEXEC,
  PR_SET_PDEATHSIG,
  SHUT_WR,
  SIGCHLD,
  SIGKILL,
  SIGPIPE,
  TIOCSWINSZ,
} from "./kernel-constants.js";
import type { Argument, Pointer, Program, Variable } from "./program.js";
import { statusDescriptor } from "./reports.js";

const scratchAddress = programBase + programBytesMax;
const scratchBytes = 0x10000;
const mapPrivateAnonymousFixed = 0x32;
/** Control message that ends a keeper of standard input instead of resizing a terminal. */
export const closeStdinMessage = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);

/** Control message for a terminal's size, in character cells: struct winsize. */
export function encodeResize(columns: number, rows: number): Uint8Array {
  const clamp = (cells: number): number => Math.min(Math.max(Math.trunc(cells), 0), 0xfffe);
  return new Uint8Array(Uint16Array.of(clamp(rows), clamp(columns), 0, 0).buffer);
}

/** Maps the helpers' buffer; its pages are touched, and so counted, only in helpers. Call once, before any helper. */
export function emitScratch(program: Program): void {
  program.call("mmap", [scratchAddress, scratchBytes, 3, mapPrivateAnonymousFixed, -1, 0], { note: "buffer" });
}

/** SIGPIPE would end a helper before it can close the other side. Ignored signals survive fork but not what emitDefaultSignals resets. */
export function emitIgnoreSignal(program: Program, signal: number): void {
  program.call("rt_sigaction", [signal, program.words([1, 0, 0, 0]), 0, 8], { note: `ignore signal ${signal}` });
}

export function emitDefaultSignals(program: Program): void {
  program.call("rt_sigaction", [SIGPIPE, program.words([0, 0, 0, 0]), 0, 8], { note: "default SIGPIPE" });
}

/**
 * Forks a helper that copies from one descriptor to another until end of file or an error, then exits.
 * `pid` receives the helper's process id. The helper keeps no other descriptor open.
 * `shutdownAtEnd`: the target is a socket whose sending half is closed at the end.
 */
export function emitCopyHelper(program: Program, from: Argument, to: Argument, options: { pid: Variable; shutdownAtEnd?: boolean }): void {
  const afterwards = program.label();
  const childFailure = program.label();
  emitFork(program, options.pid, afterwards);
  const outerFailure = program.failure;
  program.failure = childFailure;
  program.call("dup3", [from, 100, O_CLOEXEC]);
  program.call("dup3", [to, 101, O_CLOEXEC]);
  program.call("close_range", [0, 99, 0]);
  program.call("close_range", [102, 0xffffffff, 0]);
  emitCopyLoop(program, 100, 101);
  program.place(childFailure);
  program.failure = undefined;
  if (options.shutdownAtEnd === true) program.call("shutdown", [101, SHUT_WR], { onError: "ignore" });
  program.call("exit_group", [0]);
  program.place(afterwards);
  program.failure = outerFailure;
}

/** Copies until end of file or an error of either side; both end at the program's failure label. */
export function emitCopyLoop(program: Program, from: Argument, to: Argument): void {
  const failure = program.failure;
  const again = program.label();
  const write = program.label();
  const count = program.variable();
  const written = program.variable();
  const at = program.variable();
  program.place(again);
  program.call("read", [from, scratchAddress, scratchBytes], { into: count });
  if (failure !== undefined) program.jumpIfEqual(count, 0, failure);
  program.set(at, scratchAddress);
  program.place(write);
  program.call("write", [to, at, count], { into: written });
  program.addVariable(at, written);
  program.subtract(count, written);
  program.jumpIfEqual(count, 0, again);
  program.jump(write);
}

/**
 * Forks a helper that reads control messages (see encodeResize) and applies sizes to the terminal `master`.
 * closeStdinMessage ends it, and with it its hold on the descriptors it inherited.
 */
export function emitControlHelper(program: Program, control: Argument, master: Argument | undefined, pid: Variable): void {
  const afterwards = program.label();
  const end = program.label();
  const again = program.label();
  const message = program.buffer(8);
  const count = program.variable();
  emitFork(program, pid, afterwards);
  const outerFailure = program.failure;
  program.failure = end;
  // The runtime waits for the end of the status stream; a helper must not hold it open.
  program.call("close", [statusDescriptor], { onError: "ignore" });
  program.place(again);
  program.call("read", [control, message, 8], { into: count });
  program.jumpIfEqual(count, 0, end);
  program.jumpIfEqual({ kind: "variable", cell: message }, -1n, end);
  if (master !== undefined) program.call("ioctl", [master, TIOCSWINSZ, message], { onError: "ignore" });
  program.jump(again);
  program.place(end);
  program.failure = undefined;
  program.call("exit_group", [0]);
  program.place(afterwards);
  program.failure = outerFailure;
}

/** Waits until the pipe `descriptor` holds no unread bytes: a reader that is away for a while must not lose them. */
export function emitDrain(program: Program, descriptor: Argument): void {
  const again = program.label();
  const done = program.label();
  const unread: Pointer = program.buffer(8);
  const pause = program.words([0, 5_000_000]);
  const longPause = program.words([0, 250_000_000]);
  const shortRounds = program.variable(0);
  const patient = program.label();
  program.place(again);
  program.call("ioctl", [descriptor, FIONREAD, unread], { onError: done });
  program.jumpIfEqual32(unread, 0, done);
  // A second of quick looks for the usual case, then slow ones for a runtime that is down.
  program.jumpIfEqual(shortRounds, 200, patient);
  program.add(shortRounds, 1);
  program.call("nanosleep", [pause, 0], { onError: "ignore" });
  program.jump(again);
  program.place(patient);
  program.call("nanosleep", [longPause, 0], { onError: "ignore" });
  program.jump(again);
  program.place(done);
}

/** Forks; the parent goes on at `parent`, the child with the next record, dying when its parent does. */
export function emitFork(program: Program, pid: Variable, parent: ReturnType<Program["label"]>): void {
  const child = program.label();
  program.call("clone", [SIGCHLD, 0, 0, 0, 0], { into: pid, note: "helper" });
  program.jumpIfEqual(pid, 0, child);
  program.jump(parent);
  program.place(child);
  program.call("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0], { onError: "ignore" });
}

/** Puts the wall clock's seconds and nanoseconds into the two words at `at`. */
export function emitWallClock(program: Program, at: Pointer): void {
  program.call("clock_gettime", [CLOCK_REALTIME, at], { onError: "ignore" });
}
