// The program of a container: a shim that outlives the runtime, and the container's first process.
//
// Owns:  the order of calls from fork to execve, and the shim's duties afterwards.
// Not:   what is mounted (mount-steps.ts), identity and rights (process-steps.ts), files read back (drivers/launcher.ts).
// C1. The shim holds both ends of the output pipes open: a runtime that dies and comes back finds every byte not yet read.
// C2. The exit file appears atomically (written beside, renamed) and after that the container's process is gone.
// C3. The status descriptor closes when execve has succeeded and the pid file is complete, or carries a failure report.
// C4. The container's process dies with its shim.
import {
  AT_FDCWD,
  CLONE_FILES,
  CLONE_NEWCGROUP,
  CLONE_NEWNS,
  CLONE_NEWPID,
  F_SETFD,
  FD_CLOEXEC,
  MS_BIND,
  O_CLOEXEC,
  O_CREAT,
  O_NOCTTY,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  PR_SET_NAME,
  PR_SET_PDEATHSIG,
  S_IFIFO,
  SIGCHLD,
  SIGKILL,
  SIGPIPE,
  TIOCGPTPEER,
  TIOCSCTTY,
  TIOCSPTLCK,
  WAIT_ALL_CHILDREN,
} from "./kernel-constants.js";
import { emitMountSteps, emitOpenSources, emitPivotRoot, emitRootPropagation, type MountStep } from "./mount-steps.js";
import { emitProcess, type ProcessSpec } from "./process-steps.js";
import { type AssembledProgram, type Pointer, Program, type Variable } from "./program.js";
import {
  emitControlHelper,
  emitCopyHelper,
  emitDefaultSignals,
  emitDrain,
  emitIgnoreSignal,
  emitScratch,
  emitWallClock,
} from "./relay-steps.js";
import { emitFailureReport, emitStartedReport, statusDescriptor } from "./reports.js";
import type { Architecture } from "./syscall-table.js";

/** Bytes of an exit file: 64-bit words wait status, seconds, nanoseconds of the exit's wall-clock time. */
export const exitFileBytes = 24;

export interface ContainerIO {
  /** Pipes in the file system; the shim makes them. Undefined: /dev/null. */
  readonly stdin: string | undefined;
  readonly stdout: string;
  /** Undefined with a terminal, whose output is one stream. */
  readonly stderr: string | undefined;
  /** Carries control messages (relay-steps.ts). */
  readonly control: string;
  readonly terminal: boolean;
}

export interface NamespacePath {
  readonly path: string;
  /** CLONE_NEW… of its type */
  readonly type: number;
}

export interface ContainerLaunch {
  readonly architecture: Architecture;
  /** The shim's name in process lists, at most 15 bytes. */
  readonly shimName: string;
  readonly pidFile: string;
  readonly exitFile: string;
  /** Written before exitFile, in the same directory tree. */
  readonly exitDraft: string;
  readonly io: ContainerIO;
  readonly joinNamespaces: readonly NamespacePath[];
  /** False: the container sees the processes of the pid namespace it joins, or the node's. */
  readonly newPidNamespace: boolean;
  readonly newCgroupNamespace: boolean;
  /** Files that the process puts itself into by writing "0". */
  readonly cgroupProcs: readonly string[];
  readonly oomScoreAdj: number;
  /** Directory to mount the container's root on, and the overlay options. */
  readonly rootfs: string;
  readonly overlayOptions: string;
  readonly mounts: readonly MountStep[];
  readonly readonlyRootfs: boolean;
  readonly process: ProcessSpec;
}

const masterDescriptor = 110;

/** Compiles a container. Pure: equal input gives equal bytes. */
export function assembleContainer(launch: ContainerLaunch): AssembledProgram {
  const program = new Program(launch.architecture);
  const shimFailed = program.label();
  const childFailed = program.label();
  program.failure = shimFailed;
  const pid = program.variable();
  const terminalReady = program.variable();
  const pipes = emitShimStart(program, launch, terminalReady);
  const child = program.label();
  const flags = SIGCHLD | CLONE_NEWNS | (launch.newPidNamespace ? CLONE_NEWPID : 0) | (launch.io.terminal ? CLONE_FILES : 0);
  program.call("clone", [flags, 0, 0, 0, 0], { into: pid, note: "container namespaces" });
  program.jumpIfEqual(pid, 0, child);
  emitShimMain(program, launch, { pid, terminalReady, pipes });
  program.place(shimFailed);
  emitFailureReport(program, 125);

  program.place(child);
  program.failure = childFailed;
  emitChild(program, launch, { terminalReady, pipes });
  program.place(childFailed);
  program.failure = undefined;
  if (launch.io.terminal) program.call("write", [terminalReady, program.words([1]), 8], { onError: "ignore" });
  emitFailureReport(program, 127);
  return program.assemble();
}

interface Pipes {
  readonly stdin: Variable | undefined;
  readonly stdout: Variable;
  readonly stderr: Variable | undefined;
  readonly control: Variable;
}

function emitShimStart(program: Program, launch: ContainerLaunch, terminalReady: Variable): Pipes {
  program.call("prctl", [PR_SET_NAME, program.text(launch.shimName), 0, 0, 0], { onError: "ignore" });
  program.call("fcntl", [statusDescriptor, F_SETFD, FD_CLOEXEC]);
  program.call("chdir", [program.text("/")]);
  emitIgnoreSignal(program, SIGPIPE);
  if (launch.io.terminal) emitScratch(program);
  const pipes: Pipes = {
    stdin: launch.io.stdin === undefined ? undefined : emitOpenPipe(program, launch.io.stdin),
    stdout: emitOpenPipe(program, launch.io.stdout),
    stderr: launch.io.stderr === undefined ? undefined : emitOpenPipe(program, launch.io.stderr),
    control: emitOpenPipe(program, launch.io.control),
  };
  if (launch.io.terminal) program.call("eventfd2", [0, O_CLOEXEC], { into: terminalReady });
  for (const namespace of launch.joinNamespaces) {
    const descriptor = program.variable();
    program.call("openat", [AT_FDCWD, program.text(namespace.path), O_RDONLY | O_CLOEXEC], { into: descriptor, note: namespace.path });
    program.call("setns", [descriptor, namespace.type], { note: namespace.path });
    program.call("close", [descriptor]);
  }
  return pipes;
}

function emitOpenPipe(program: Program, path: string): Variable {
  const descriptor = program.variable();
  program.call("mknodat", [AT_FDCWD, program.text(path), S_IFIFO | 0o600, 0], { onError: "ignore" });
  program.call("openat", [AT_FDCWD, program.text(path), O_RDWR | O_CLOEXEC], { into: descriptor, note: path });
  return descriptor;
}

interface ShimState {
  readonly pid: Variable;
  readonly terminalReady: Variable;
  readonly pipes: Pipes;
}

function emitShimMain(program: Program, launch: ContainerLaunch, state: ShimState): void {
  const { pid, pipes } = state;
  const outputHelper = program.variable();
  const helper = program.variable();
  emitWriteFile(program, launch.pidFile, pid.cell, 8);
  emitStartedReport(program, pid);
  if (launch.io.terminal) {
    program.call("read", [state.terminalReady, program.buffer(8), 8], { onError: "ignore" });
    emitCopyHelper(program, masterDescriptor, pipes.stdout, { pid: outputHelper });
    if (pipes.stdin !== undefined) emitCopyHelper(program, pipes.stdin, masterDescriptor, { pid: helper });
    emitControlHelper(program, pipes.control, masterDescriptor, helper);
    program.call("close", [masterDescriptor], { onError: "ignore" });
  } else if (pipes.stdin !== undefined) {
    // Only this helper keeps standard input open for writing, so that ending it is the container's end of file.
    emitControlHelper(program, pipes.control, undefined, helper);
    program.call("close", [pipes.stdin], { onError: "ignore" });
  }
  program.call("close", [statusDescriptor], { onError: "ignore" });
  const exit = program.buffer(exitFileBytes);
  program.call("wait4", [pid, exit, WAIT_ALL_CHILDREN, 0], { note: "container" });
  emitWallClock(program, { kind: exit.kind, offset: exit.offset + 8 });
  emitWriteFile(program, launch.exitDraft, exit, exitFileBytes);
  program.call("renameat2", [AT_FDCWD, program.text(launch.exitDraft), AT_FDCWD, program.text(launch.exitFile), 0], {
    note: launch.exitFile,
  });
  if (launch.io.terminal) program.call("wait4", [outputHelper, 0, WAIT_ALL_CHILDREN, 0], { onError: "ignore" });
  emitDrain(program, pipes.stdout);
  if (pipes.stderr !== undefined) emitDrain(program, pipes.stderr);
  program.call("exit_group", [0]);
}

export function emitWriteFile(program: Program, path: string, from: Pointer, bytes: number): void {
  const descriptor = program.variable();
  program.call("openat", [AT_FDCWD, program.text(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600], { into: descriptor, note: path });
  program.call("write", [descriptor, from, bytes], { note: path });
  program.call("close", [descriptor]);
}

function emitChild(program: Program, launch: ContainerLaunch, state: { terminalReady: Variable; pipes: Pipes }): void {
  program.call("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0], { note: "parent death signal" });
  emitJoinCgroups(program, launch.cgroupProcs);
  emitOomScore(program, launch.oomScoreAdj);
  if (launch.newCgroupNamespace) program.call("unshare", [CLONE_NEWCGROUP], { note: "cgroup namespace" });
  program.call("setsid", []);
  const sources = emitOpenSources(program, launch.mounts);
  emitRootPropagation(program);
  program.call(
    "mount",
    [program.text("overlay"), program.text(launch.rootfs), program.text("overlay"), 0, program.text(launch.overlayOptions)],
    { note: `overlay on ${launch.rootfs}` },
  );
  const input = launch.io.terminal ? undefined : emitOpenInput(program, launch.io.stdin);
  emitPivotRoot(program, launch.rootfs);
  emitMountSteps(program, launch.mounts, sources);
  if (launch.io.terminal) emitTerminal(program, state.terminalReady, launch.process);
  else emitPlainDescriptors(program, state.pipes, input as Variable, launch.process);
  if (launch.process.workingDirectory !== "/") emitMakeWorkingDirectory(program, launch.process.workingDirectory);
  if (launch.readonlyRootfs) emitMountSteps(program, [{ type: "remountReadonly", target: "/", flags: 0 }], new Map());
  emitDefaultSignals(program);
  emitProcess(program, launch.process, true);
}

/** Puts the calling process into cgroups; the files are the node's. */
export function emitJoinCgroups(program: Program, procsFiles: readonly string[]): void {
  const zero = program.text("0");
  for (const path of procsFiles) {
    const descriptor = program.variable();
    program.call("openat", [AT_FDCWD, program.text(path), O_WRONLY | O_CLOEXEC], { into: descriptor, note: path });
    program.call("write", [descriptor, zero, 1], { note: path });
    program.call("close", [descriptor]);
  }
}

export function emitOomScore(program: Program, score: number): void {
  const descriptor = program.variable();
  const text = String(score);
  program.call("openat", [AT_FDCWD, program.text("/proc/self/oom_score_adj"), O_WRONLY | O_CLOEXEC], {
    into: descriptor,
    onError: "ignore",
  });
  // Lowering below one's own needs CAP_SYS_RESOURCE; without it the score stays as it is.
  program.call("write", [descriptor, program.text(text), text.length], { onError: "ignore" });
  program.call("close", [descriptor], { onError: "ignore" });
}

function emitOpenInput(program: Program, stdin: string | undefined): Variable {
  const descriptor = program.variable();
  const path = stdin ?? "/dev/null";
  program.call("openat", [AT_FDCWD, program.text(path), O_RDONLY | O_CLOEXEC], { into: descriptor, note: path });
  return descriptor;
}

function emitPlainDescriptors(program: Program, pipes: Pipes, input: Variable, spec: ProcessSpec): void {
  program.call("dup3", [pipes.stdout, 101, O_CLOEXEC]);
  program.call("dup3", [pipes.stderr ?? pipes.stdout, 102, O_CLOEXEC]);
  program.call("dup3", [input, 0, 0]);
  program.call("dup3", [101, 1, 0]);
  program.call("dup3", [102, 2, 0]);
  emitOwnDescriptors(program, spec);
}

/** So that /dev/stdout and the like can be opened by name by the container's user. */
function emitOwnDescriptors(program: Program, spec: ProcessSpec): void {
  if (spec.uid === 0 || !spec.setsIdentity) return;
  for (const descriptor of [1, 2]) program.call("fchown", [descriptor, spec.uid, -1], { onError: "ignore" });
}

/** Makes the container's terminal in its own devpts and hands the master to the shim through the shared descriptor table. */
function emitTerminal(program: Program, terminalReady: Variable, spec: ProcessSpec): void {
  emitOpenTerminal(program, masterDescriptor);
  program.call("unshare", [CLONE_FILES]);
  program.call("write", [terminalReady, program.words([1]), 8]);
  emitUseTerminal(program, spec, masterDescriptor);
  const console = program.variable();
  program.call("openat", [AT_FDCWD, program.text("/dev/console"), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o620], {
    into: console,
    onError: "ignore",
  });
  program.call("close", [console], { onError: "ignore" });
  program.call("mount", [program.text("/dev/pts/0"), program.text("/dev/console"), 0, MS_BIND, 0], { onError: "ignore" });
}

/** Opens a new terminal of the current root's devpts; its master gets the number `master`. */
export function emitOpenTerminal(program: Program, master: number): void {
  const descriptor = program.variable();
  program.call("openat", [AT_FDCWD, program.text("/dev/pts/ptmx"), O_RDWR | O_NOCTTY | O_CLOEXEC], {
    into: descriptor,
    note: "/dev/pts/ptmx",
  });
  program.call("dup3", [descriptor, master, O_CLOEXEC]);
  program.call("close", [descriptor]);
  program.call("ioctl", [master, TIOCSPTLCK, program.words([0])], { note: "unlock terminal" });
}

/** Makes the terminal behind `master` the calling session's controlling terminal and its standard descriptors. */
export function emitUseTerminal(program: Program, spec: ProcessSpec, master: number): void {
  const terminal = program.variable();
  program.call("ioctl", [master, TIOCGPTPEER, O_RDWR | O_NOCTTY], { into: terminal, note: "open terminal" });
  for (const descriptor of [0, 1, 2]) program.call("dup3", [terminal, descriptor, 0]);
  program.call("ioctl", [0, TIOCSCTTY, 0], { note: "controlling terminal" });
  if (spec.setsIdentity) program.call("fchown", [0, spec.uid, -1], { onError: "ignore" });
}

function emitMakeWorkingDirectory(program: Program, path: string): void {
  const parts = path.split("/").filter((part) => part !== "");
  for (const position of parts.keys())
    program.call("mkdirat", [AT_FDCWD, program.text(`/${parts.slice(0, position + 1).join("/")}`), 0o755], { onError: "ignore" });
}
