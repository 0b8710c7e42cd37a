// Linux capabilities by name, and the sets that a container's security context asks for.
import type { CapabilitySets } from "./launch/process-steps.js";

/** In the order of their numbers. Source: linux/capability.h. */
export const capabilityNames = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
] as const;

/** What a container gets unless it adds or drops. Upstream: containerd's default spec. */
export const defaultCapabilities = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
] as const;

export interface CapabilityRequest {
  readonly privileged: boolean;
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly addAmbient: readonly string[];
}

/**
 * The sets of a container's processes. `available` is what this runtime has itself: nothing beyond can be given.
 * Names with or without CAP_, in any case; ALL means all. Throws RangeError for an unknown name, in containerd's words.
 */
export function planCapabilities(request: CapabilityRequest, available: bigint): CapabilitySets {
  if (request.privileged) return sets(available, 0n);
  let granted = request.add.some(isAll) ? available : maskOf(defaultCapabilities);
  if (request.drop.some(isAll)) granted = request.add.some(isAll) ? granted : 0n;
  granted |= maskOf(request.add.filter((name) => !isAll(name)));
  granted &= ~maskOf(request.drop.filter((name) => !isAll(name)));
  const ambient = maskOf(request.addAmbient.filter((name) => !isAll(name)));
  return sets((granted | ambient) & available, ambient & available);
}

function sets(granted: bigint, ambient: bigint): CapabilitySets {
  // Inheritable stays empty except for what ambient needs (CVE-2022-24769).
  return { bounding: granted, effective: granted, permitted: granted, inheritable: ambient, ambient };
}

function isAll(name: string): boolean {
  return name.toUpperCase() === "ALL";
}

function maskOf(names: readonly string[]): bigint {
  let mask = 0n;
  for (const name of names) {
    const bare = name.toUpperCase().replace(/^CAP_/, "");
    const number = (capabilityNames as readonly string[]).indexOf(bare);
    if (number < 0) throw new RangeError(`unknown capability "CAP_${bare}"`);
    mask |= 1n << BigInt(number);
  }
  return mask;
}
