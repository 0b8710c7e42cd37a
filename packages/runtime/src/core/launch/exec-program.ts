// The program of a process started inside a running container, and of a connection into a pod's network.
//
// The launcher's descriptors 0, 1, 2 are the caller's ends; 3 carries reports, 4 control messages when there is a terminal.
// E1. The process gets real pipes, not the runtime's sockets, so that /dev/stdout and the like can be opened by name.
// E2. The exit report is written when the process has ended; the output streams end when nothing holds them any more.

import { emitOomScore, emitOpenTerminal, emitUseTerminal } from "./container-program.js";
import {
  AF_INET,
  AT_FDCWD,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUTS,
  F_SETFD,
  FD_CLOEXEC,
  O_CLOEXEC,
  O_RDONLY,
  O_WRONLY,
  PR_SET_NAME,
  SIGCHLD,
  SIGPIPE,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  WAIT_ALL_CHILDREN,
} from "./kernel-constants.js";
import { emitProcess, type ProcessSpec } from "./process-steps.js";
import { type AssembledProgram, offsetPointer, type Pointer, Program, type Variable } from "./program.js";
import { emitControlHelper, emitCopyHelper, emitDefaultSignals, emitIgnoreSignal, emitScratch } from "./relay-steps.js";
import { emitExitedReport, emitFailureReport, emitStartedReport, statusDescriptor } from "./reports.js";
import type { Architecture } from "./syscall-table.js";

export const controlDescriptor = 4;
const masterDescriptor = 110;

export interface ExecLaunch {
  readonly architecture: Architecture;
  readonly shimName: string;
  /** First process of the container, as the runtime's pid namespace numbers it. */
  readonly containerPID: number;
  readonly cgroupProcs: readonly string[];
  readonly oomScoreAdj: number;
  readonly terminal: boolean;
  readonly stdin: boolean;
  readonly process: ProcessSpec;
}

/** Compiles an exec. The process joins every namespace of the container's first process. */
export function assembleExec(launch: ExecLaunch): AssembledProgram {
  const program = new Program(launch.architecture);
  const failed = program.label();
  const child = program.label();
  program.failure = failed;
  const pid = program.variable();
  emitStart(program, launch.shimName);
  const cgroups = launch.cgroupProcs.map((path) => {
    const descriptor = program.variable();
    program.call("openat", [AT_FDCWD, program.text(path), O_WRONLY | O_CLOEXEC], { into: descriptor, note: path });
    return descriptor;
  });
  const target = program.variable();
  program.call("pidfd_open", [launch.containerPID, 0], { into: target, note: "container process" });
  const all = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET;
  program.call("setns", [target, all], { note: "container namespaces" });
  program.call("close", [target]);
  const ends = launch.terminal ? undefined : emitPipes(program, launch.stdin);
  if (launch.terminal) emitOpenTerminal(program, masterDescriptor);
  program.call("clone", [SIGCHLD, 0, 0, 0, 0], { into: pid, note: "process" });
  program.jumpIfEqual(pid, 0, child);
  emitStartedReport(program, pid);
  if (ends === undefined) emitTerminalMain(program, launch, pid);
  else emitPipesMain(program, ends, pid);
  program.place(failed);
  emitFailureReport(program, 125);

  program.place(child);
  const childFailed = program.label();
  program.failure = childFailed;
  for (const descriptor of cgroups) program.call("write", [descriptor, program.text("0"), 1], { note: "cgroup" });
  emitOomScore(program, launch.oomScoreAdj);
  program.call("setsid", []);
  if (ends === undefined) emitUseTerminal(program, launch.process, masterDescriptor);
  else {
    program.call("dup3", [ends.stdin.read, 0, 0]);
    program.call("dup3", [ends.stdout.write, 1, 0]);
    program.call("dup3", [ends.stderr.write, 2, 0]);
    if (launch.process.uid !== 0 && launch.process.setsIdentity)
      for (const descriptor of [1, 2]) program.call("fchown", [descriptor, launch.process.uid, -1], { onError: "ignore" });
  }
  emitDefaultSignals(program);
  emitProcess(program, launch.process, true);
  program.place(childFailed);
  emitFailureReport(program, 127);
  return program.assemble();
}

function emitStart(program: Program, shimName: string): void {
  program.call("prctl", [PR_SET_NAME, program.text(shimName), 0, 0, 0], { onError: "ignore" });
  program.call("fcntl", [statusDescriptor, F_SETFD, FD_CLOEXEC]);
  program.call("fcntl", [controlDescriptor, F_SETFD, FD_CLOEXEC], { onError: "ignore" });
  emitIgnoreSignal(program, SIGPIPE);
  emitScratch(program);
}

interface PipeEnds {
  readonly read: Variable;
  readonly write: Variable;
}

interface ProcessPipes {
  readonly hasStdin: boolean;
  readonly stdin: PipeEnds;
  readonly stdout: PipeEnds;
  readonly stderr: PipeEnds;
}

function emitPipes(program: Program, hasStdin: boolean): ProcessPipes {
  return { hasStdin, stdin: hasStdin ? emitPipe(program) : emitNullInput(program), stdout: emitPipe(program), stderr: emitPipe(program) };
}

function emitPipe(program: Program): PipeEnds {
  const pair: Pointer = program.buffer(16);
  program.call("pipe2", [pair, O_CLOEXEC]);
  // The kernel writes two 32-bit numbers. Read as words they are the first with the second above it, which calls that
  // take a descriptor cut off, and the second.
  return { read: { kind: "variable", cell: pair }, write: { kind: "variable", cell: offsetPointer(pair, 4) } };
}

function emitNullInput(program: Program): PipeEnds {
  const read = program.variable();
  program.call("openat", [AT_FDCWD, program.text("/dev/null"), O_RDONLY | O_CLOEXEC], { into: read, note: "/dev/null" });
  return { read, write: read };
}

function emitTerminalMain(program: Program, launch: ExecLaunch, pid: Variable): void {
  const outputHelper = program.variable();
  const helper = program.variable();
  emitCopyHelper(program, masterDescriptor, 1, { pid: outputHelper });
  if (launch.stdin) emitCopyHelper(program, 0, masterDescriptor, { pid: helper });
  emitControlHelper(program, controlDescriptor, masterDescriptor, helper);
  for (const descriptor of [masterDescriptor, 0, 1, 2]) program.call("close", [descriptor], { onError: "ignore" });
  emitWaitAndReport(program, pid, [outputHelper]);
}

function emitPipesMain(program: Program, pipes: ProcessPipes, pid: Variable): void {
  const outputs = [program.variable(), program.variable()];
  const inputHelper = program.variable();
  emitCopyHelper(program, pipes.stdout.read, 1, { pid: outputs[0] as Variable });
  emitCopyHelper(program, pipes.stderr.read, 2, { pid: outputs[1] as Variable });
  if (pipes.hasStdin) emitCopyHelper(program, 0, pipes.stdin.write, { pid: inputHelper });
  for (const ends of [pipes.stdin, pipes.stdout, pipes.stderr]) {
    program.call("close", [ends.read], { onError: "ignore" });
    if (ends.write !== ends.read) program.call("close", [ends.write], { onError: "ignore" });
  }
  for (const descriptor of [0, 1, 2]) program.call("close", [descriptor], { onError: "ignore" });
  emitWaitAndReport(program, pid, outputs);
}

function emitWaitAndReport(program: Program, pid: Variable, helpers: readonly Variable[]): void {
  const status = program.variable();
  program.call("wait4", [pid, status.cell, WAIT_ALL_CHILDREN, 0], { note: "process" });
  emitExitedReport(program, status);
  for (const helper of helpers) program.call("wait4", [helper, 0, WAIT_ALL_CHILDREN, 0], { onError: "ignore" });
  program.call("exit_group", [0]);
}

export interface ForwardLaunch {
  readonly architecture: Architecture;
  readonly shimName: string;
  /** Network namespace to connect from; undefined: the node's. */
  readonly networkNamespace: string | undefined;
  readonly port: number;
}

/**
 * Compiles a relay between descriptors 0 and 1 and a TCP connection to 127.0.0.1:port. The started report says that the connection
 * is up. End of file on 0 closes the sending half; the process ends when the peer has closed its own.
 */
export function assembleForward(launch: ForwardLaunch): AssembledProgram {
  const program = new Program(launch.architecture);
  const failed = program.label();
  program.failure = failed;
  emitStart(program, launch.shimName);
  if (launch.networkNamespace !== undefined) {
    const namespace = program.variable();
    program.call("openat", [AT_FDCWD, program.text(launch.networkNamespace), O_RDONLY | O_CLOEXEC], {
      into: namespace,
      note: launch.networkNamespace,
    });
    program.call("setns", [namespace, CLONE_NEWNET], { note: launch.networkNamespace });
    program.call("close", [namespace]);
  }
  const socket = program.variable();
  const address = Uint8Array.of(AF_INET, 0, launch.port >> 8, launch.port & 0xff, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  program.call("socket", [AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0], { into: socket });
  program.call("connect", [socket, program.bytes(address), address.length], { note: `127.0.0.1:${launch.port}` });
  const helper = program.variable();
  const inputHelper = program.variable();
  emitStartedReport(program, socket);
  emitCopyHelper(program, socket, 1, { pid: helper });
  emitCopyHelper(program, 0, socket, { pid: inputHelper, shutdownAtEnd: true });
  for (const descriptor of [0, 1]) program.call("close", [descriptor], { onError: "ignore" });
  program.call("close", [socket]);
  program.call("wait4", [helper, 0, WAIT_ALL_CHILDREN, 0], { onError: "ignore" });
  program.call("exit_group", [0]);
  program.place(failed);
  emitFailureReport(program, 125);
  return program.assemble();
}
