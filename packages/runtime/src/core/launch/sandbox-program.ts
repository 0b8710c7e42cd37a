// The program of a pod sandbox: its namespaces, its network, and the process that stands for it.
//
// Owns:  the order in which namespaces, links, addresses and pins are made; the sandbox's first process (the pause process).
// Not:   which address and link names (core/ipam.ts), files of the pod (drivers/sandbox-files.ts).
// B1. The pause process runs in all namespaces of the sandbox; its end is the sandbox's end.
// B2. As first process of a shared pid namespace it reaps what it inherits.
// B3. The network namespace is pinned by a bind mount, so that it can be entered and torn down without any process.

import { emitJoinCgroups, emitOomScore, emitWriteFile, exitFileBytes } from "./container-program.js";
import {
  AT_FDCWD,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWPID,
  CLONE_NEWUTS,
  F_SETFD,
  FD_CLOEXEC,
  MNT_DETACH,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  O_CLOEXEC,
  O_CREAT,
  O_RDONLY,
  O_WRONLY,
  PR_SET_NAME,
  PR_SET_PDEATHSIG,
  SIGCHLD,
  SIGKILL,
  SIGPIPE,
  WAIT_ALL_CHILDREN,
} from "./kernel-constants.js";
import {
  emitNetlink,
  emitNetlinkSocket,
  encodeDeleteLink,
  encodeLinkUp,
  encodeNewAddress,
  encodeNewRoute,
  encodeNewVeth,
  type IPv4,
} from "./netlink.js";
import { type AssembledProgram, offsetPointer, Program, type Variable } from "./program.js";
import { emitIgnoreSignal, emitWallClock } from "./relay-steps.js";
import { emitFailureReport, emitStartedReport, statusDescriptor } from "./reports.js";
import type { Architecture } from "./syscall-table.js";

/** A pod's attachment: a routed pair of links, no bridge. Upstream: the CNI plugin ptp. */
export interface PodNetwork {
  readonly hostName: string;
  readonly hostIndex: number;
  readonly podIP: IPv4;
  /** The node's address towards its pods, on every host end. */
  readonly gateway: IPv4;
  readonly mtuBytes: number;
}

export interface SandboxLaunch {
  readonly architecture: Architecture;
  readonly shimName: string;
  readonly pidFile: string;
  readonly exitFile: string;
  readonly exitDraft: string;
  /** Undefined: the node's network. */
  readonly network: PodNetwork | undefined;
  /** File that pins the network namespace; made here. */
  readonly networkPin: string;
  readonly newUtsNamespace: boolean;
  readonly newIpcNamespace: boolean;
  readonly newPidNamespace: boolean;
  readonly hostname: string;
  /** Directory to mount the pod's /dev/shm on; undefined with the node's IPC namespace. */
  readonly sharedMemory: { readonly directory: string; readonly sizeBytes: number } | undefined;
  /** Path below /proc/sys and value. */
  readonly sysctls: readonly { readonly path: string; readonly value: string }[];
  readonly cgroupProcs: readonly string[];
  readonly oomScoreAdj: number;
}

const namespaceDescriptor = 120;
const loopbackIndex = 1;
const podLinkIndex = 2;

/** Compiles a sandbox. Reports the pause process as started once everything is in place. */
export function assembleSandbox(launch: SandboxLaunch): AssembledProgram {
  const program = new Program(launch.architecture);
  const failed = program.label();
  const child = program.label();
  const pid = program.variable();
  program.failure = failed;
  program.call("prctl", [PR_SET_NAME, program.text(launch.shimName), 0, 0, 0], { onError: "ignore" });
  program.call("fcntl", [statusDescriptor, F_SETFD, FD_CLOEXEC]);
  program.call("chdir", [program.text("/")]);
  emitIgnoreSignal(program, SIGPIPE);
  if (launch.sharedMemory !== undefined) {
    const { directory, sizeBytes } = launch.sharedMemory;
    program.call(
      "mount",
      [
        program.text("shm"),
        program.text(directory),
        program.text("tmpfs"),
        MS_NOSUID | MS_NODEV | MS_NOEXEC,
        program.text(`mode=1777,size=${sizeBytes}`),
      ],
      { note: directory },
    );
  }
  emitNamespaces(program, launch);
  program.call("clone", [SIGCHLD | (launch.newPidNamespace ? CLONE_NEWPID : 0), 0, 0, 0, 0], { into: pid, note: "pause process" });
  program.jumpIfEqual(pid, 0, child);
  emitWriteFile(program, launch.pidFile, pid.cell, 8);
  emitStartedReport(program, pid);
  program.call("close", [statusDescriptor]);
  emitAwaitExit(program, launch, pid);
  program.place(failed);
  emitFailureReport(program, 125);

  program.place(child);
  program.failure = undefined;
  emitPause(program, launch);
  return program.assemble();
}

function emitNamespaces(program: Program, launch: SandboxLaunch): void {
  const nodeSocket = launch.network === undefined ? undefined : emitNetlinkSocket(program);
  const flags =
    (launch.network === undefined ? 0 : CLONE_NEWNET) |
    (launch.newUtsNamespace ? CLONE_NEWUTS : 0) |
    (launch.newIpcNamespace ? CLONE_NEWIPC : 0);
  if (flags !== 0) program.call("unshare", [flags], { note: "sandbox namespaces" });
  if (launch.network !== undefined && nodeSocket !== undefined) emitNetwork(program, launch.network, nodeSocket, launch.networkPin);
  if (launch.newUtsNamespace) {
    const bytes = new TextEncoder().encode(launch.hostname);
    program.call("sethostname", [program.bytes(bytes), bytes.length], { note: launch.hostname });
  }
  for (const { path, value } of launch.sysctls) {
    const descriptor = program.variable();
    const bytes = new TextEncoder().encode(value);
    program.call("openat", [AT_FDCWD, program.text(`/proc/sys/${path}`), O_WRONLY | O_CLOEXEC], {
      into: descriptor,
      note: `/proc/sys/${path}`,
    });
    program.call("write", [descriptor, program.bytes(bytes), bytes.length], { note: `/proc/sys/${path}` });
    program.call("close", [descriptor]);
  }
}

function emitNetwork(program: Program, network: PodNetwork, nodeSocket: Variable, pin: string): void {
  const namespace = program.variable();
  program.call("openat", [AT_FDCWD, program.text("/proc/self/ns/net"), O_RDONLY | O_CLOEXEC], {
    into: namespace,
    note: "network namespace",
  });
  program.call("dup3", [namespace, namespaceDescriptor, O_CLOEXEC]);
  const { podIP, gateway, hostIndex } = network;
  const veth = encodeNewVeth({
    hostName: network.hostName,
    hostIndex,
    podName: "eth0",
    podIndex: podLinkIndex,
    namespaceDescriptor,
    mtuBytes: network.mtuBytes,
    // A locally administered address made of the pod's IP: stable and unique on its link.
    podHardwareAddress: [0x0a, 0x58, ...podIP],
  });
  emitNetlink(program, nodeSocket, veth, `add link ${network.hostName}`);
  emitNetlink(program, nodeSocket, encodeLinkUp(hostIndex), `set link ${network.hostName} up`);
  emitNetlink(program, nodeSocket, encodeNewAddress(hostIndex, gateway, 32), `add address to ${network.hostName}`);
  emitNetlink(
    program,
    nodeSocket,
    encodeNewRoute({ destination: { address: podIP, prefixBits: 32 }, interfaceIndex: hostIndex, scope: "link" }),
    "add route to pod",
  );
  const podSocket = emitNetlinkSocket(program);
  emitNetlink(program, podSocket, encodeLinkUp(loopbackIndex), "set link lo up");
  emitNetlink(program, podSocket, encodeNewAddress(podLinkIndex, podIP, 32), "add address to eth0");
  emitNetlink(program, podSocket, encodeLinkUp(podLinkIndex), "set link eth0 up");
  emitNetlink(
    program,
    podSocket,
    encodeNewRoute({ destination: { address: gateway, prefixBits: 32 }, interfaceIndex: podLinkIndex, scope: "link" }),
    "add route to gateway",
  );
  emitNetlink(
    program,
    podSocket,
    encodeNewRoute({ destination: undefined, interfaceIndex: podLinkIndex, gateway, source: podIP, scope: "universe" }),
    "add default route",
  );
  const pinFile = program.variable();
  program.call("openat", [AT_FDCWD, program.text(pin), O_RDONLY | O_CREAT | O_CLOEXEC, 0o600], { into: pinFile, note: pin });
  program.call("close", [pinFile]);
  program.call("mount", [program.text("/proc/self/ns/net"), program.text(pin), 0, MS_BIND, 0], { note: pin });
}

function emitAwaitExit(program: Program, launch: SandboxLaunch, pid: Variable): void {
  const exit = program.buffer(exitFileBytes);
  program.call("wait4", [pid, exit, WAIT_ALL_CHILDREN, 0], { note: "pause process" });
  emitWallClock(program, offsetPointer(exit, 8));
  emitWriteFile(program, launch.exitDraft, exit, exitFileBytes);
  program.call("renameat2", [AT_FDCWD, program.text(launch.exitDraft), AT_FDCWD, program.text(launch.exitFile), 0], {
    note: launch.exitFile,
  });
  program.call("exit_group", [0]);
}

function emitPause(program: Program, launch: SandboxLaunch): void {
  const again = program.label();
  program.call("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  program.call("prctl", [PR_SET_NAME, program.text("pause"), 0, 0, 0]);
  emitJoinCgroups(program, launch.cgroupProcs);
  emitOomScore(program, launch.oomScoreAdj);
  program.call("setsid", []);
  program.call("close_range", [0, 0xffffffff, 0]);
  emitIgnoreSignal(program, SIGCHLD);
  program.place(again);
  program.call("ppoll", [0, 0, 0, 0, 8]);
  program.jump(again);
}

export interface TeardownLaunch {
  readonly architecture: Architecture;
  /** Mount points to let go of; what is not mounted is passed over. */
  readonly mountPoints: readonly string[];
  /** Links of the node to delete. */
  readonly links: readonly string[];
}

/** Compiles the end of a sandbox. Every step may find its work done already. */
export function assembleTeardown(launch: TeardownLaunch): AssembledProgram {
  const program = new Program(launch.architecture);
  program.failure = undefined;
  if (launch.links.length > 0) {
    const socket = emitNetlinkSocket(program);
    for (const link of launch.links) {
      const next = program.label();
      program.failure = next;
      emitNetlink(program, socket, encodeDeleteLink(link), `delete link ${link}`);
      program.place(next);
    }
    program.failure = undefined;
  }
  for (const path of launch.mountPoints) program.call("umount2", [program.text(path), MNT_DETACH], { onError: "ignore" });
  program.call("exit_group", [0]);
  return program.assemble();
}
