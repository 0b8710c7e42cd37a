// The last steps of every container process: identity, rights, filter, execve. Used by containers and exec alike.
//
// The order is that of runc's init: bounding set, then identity with kept capabilities, then the final sets; the
// filter goes in early when it needs CAP_SYS_ADMIN and as late as possible under no_new_privs.
import {
  CAPABILITY_VERSION_3,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
  PR_SET_SECCOMP,
  SECCOMP_MODE_FILTER,
  SIGKILL,
} from "./kernel-constants.js";
import type { Program } from "./program.js";
import { emitCloseOnExec } from "./reports.js";

/** Bit n is the capability with number n. */
export interface CapabilitySets {
  readonly bounding: bigint;
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
}

export interface ProcessSpec {
  readonly argv: readonly string[];
  /** Files to try, in order: one when argv[0] has a slash, else one per directory of PATH. */
  readonly executables: readonly string[];
  /** NAME=value */
  readonly env: readonly string[];
  readonly workingDirectory: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** False where only one uid and gid are mapped: then identity is left alone. */
  readonly setsIdentity: boolean;
  readonly capabilities: CapabilitySets;
  /** Highest capability number that this kernel knows. */
  readonly capabilityLast: number;
  readonly noNewPrivileges: boolean;
  /** Instructions of a seccomp filter (struct sock_filter each); undefined for none. */
  readonly seccompFilter: Uint8Array | undefined;
}

/** Ends in execve, or at the program's failure label. `diesWithParent`: SIGKILL when the process that waits for it dies. */
export function emitProcess(program: Program, spec: ProcessSpec, diesWithParent: boolean): void {
  program.call("umask", [0o022]);
  if (spec.workingDirectory !== "/") program.call("chdir", [program.text(spec.workingDirectory)], { note: spec.workingDirectory });
  if (spec.noNewPrivileges) program.call("prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0], { note: "no_new_privs" });
  else emitSeccomp(program, spec.seccompFilter);
  emitIdentity(program, spec);
  if (diesWithParent) program.call("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0], { note: "parent death signal" });
  if (spec.noNewPrivileges) emitSeccomp(program, spec.seccompFilter);
  emitCloseOnExec(program, 3);
  const argv = program.textArray(spec.argv);
  const env = program.textArray(spec.env);
  for (const [position, executable] of spec.executables.entries()) {
    const isLast = position === spec.executables.length - 1;
    program.call("execve", [program.text(executable), argv, env], { note: executable, ...(isLast ? {} : { onError: "ignore" as const }) });
  }
}

function emitIdentity(program: Program, spec: ProcessSpec): void {
  const sets = spec.capabilities;
  for (let capability = 0; capability <= spec.capabilityLast; capability++) {
    if ((sets.bounding >> BigInt(capability)) & 1n) continue;
    program.call("prctl", [PR_CAPBSET_DROP, capability, 0, 0, 0], { note: "drop bounding capability" });
  }
  program.call("prctl", [PR_SET_KEEPCAPS, 1, 0, 0, 0], { note: "keep capabilities" });
  if (spec.setsIdentity) {
    const groups = program.bytes(new Uint8Array(Uint32Array.from(spec.groups).buffer));
    program.call("setgroups", [spec.groups.length, spec.groups.length === 0 ? 0 : groups], { note: spec.groups.join(",") });
    program.call("setresgid", [spec.gid, spec.gid, spec.gid], { note: String(spec.gid) });
    program.call("setresuid", [spec.uid, spec.uid, spec.uid], { note: String(spec.uid) });
  }
  program.call("prctl", [PR_SET_KEEPCAPS, 0, 0, 0, 0], { note: "do not keep capabilities" });
  const header = program.bytes(new Uint8Array(Uint32Array.of(CAPABILITY_VERSION_3, 0).buffer));
  const low = (set: bigint): number => Number(set & 0xffffffffn);
  const high = (set: bigint): number => Number(set >> 32n);
  const data = Uint32Array.of(
    low(sets.effective),
    low(sets.permitted),
    low(sets.inheritable),
    high(sets.effective),
    high(sets.permitted),
    high(sets.inheritable),
  );
  program.call("capset", [header, program.bytes(new Uint8Array(data.buffer))]);
  program.call("prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0], { note: "clear ambient capabilities" });
  for (let capability = 0; capability <= spec.capabilityLast; capability++) {
    if (((sets.ambient >> BigInt(capability)) & 1n) === 0n) continue;
    program.call("prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0], { note: "raise ambient capability" });
  }
}

function emitSeccomp(program: Program, filter: Uint8Array | undefined): void {
  if (filter === undefined) return;
  // struct sock_fprog: 16-bit count of 8-byte instructions, padding, pointer.
  const descriptor = program.words([filter.length / 8, program.bytes(filter)]);
  program.call("prctl", [PR_SET_SECCOMP, SECCOMP_MODE_FILTER, descriptor, 0, 0], { note: "seccomp filter" });
}
