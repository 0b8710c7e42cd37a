// What is mounted in a container's file tree, in which order.
// Upstream: containerd's default spec and CRI plugin (container_create_linux, spec_opts_linux), runc's default devices.
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_STRICTATIME, S_IFBLK, S_IFCHR } from "./launch/kernel-constants.js";
import type { MountStep, Propagation } from "./launch/mount-steps.js";

/** A mount that the pod asks for, its source found on the node. */
export interface RequestedMount {
  readonly containerPath: string;
  /** Without symbolic links. */
  readonly source: string;
  readonly isDirectory: boolean;
  readonly readonly: boolean;
  readonly recursiveReadonly: boolean;
  readonly propagation: Propagation;
}

export interface DeviceNode {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly kind: "character" | "block";
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A cgroup hierarchy to show in the container: directory name below /sys/fs/cgroup ("" for cgroup 2) and mount data. */
export interface CgroupView {
  readonly filesystem: "cgroup" | "cgroup2";
  readonly directory: string;
  readonly data: string;
}

export interface MountInputs {
  readonly requested: readonly RequestedMount[];
  /** Files of the sandbox shown unless the pod mounts its own: container path and node path. */
  readonly sandboxFiles: readonly { readonly containerPath: string; readonly source: string }[];
  /** The pod's /dev/shm on the node. */
  readonly sharedMemory: string;
  readonly devices: readonly DeviceNode[];
  readonly cgroups: readonly CgroupView[];
  readonly privileged: boolean;
  readonly makesDevices: boolean;
  /** Whether this container's network namespace is the sandbox's own: only its owner may mount sysfs. */
  readonly ownsNetwork: boolean;
  readonly terminal: boolean;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
}

const standardDevices: readonly DeviceNode[] = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
].map(([name, major, minor]) => ({
  containerPath: `/dev/${name}`,
  hostPath: `/dev/${name}`,
  kind: "character" as const,
  major: Number(major),
  minor: Number(minor),
  mode: 0o666,
  uid: 0,
  gid: 0,
}));

const terminalGroup = 5;

export function planMounts(inputs: MountInputs): MountStep[] {
  const overridden = new Set(inputs.requested.map((mount) => cleanPath(mount.containerPath)));
  const steps = [...planKernelMounts(inputs, overridden), ...planDeviceMounts(inputs, overridden)];
  for (const file of inputs.sandboxFiles) {
    if (!overridden.has(file.containerPath))
      steps.push(bindStep({ ...file, isDirectory: false, readonly: false, recursiveReadonly: false, propagation: "private" }));
  }
  // Parents before what lies in them, else in the order given.
  const ordered = [...inputs.requested].sort((a, b) => depthOf(a.containerPath) - depthOf(b.containerPath));
  steps.push(...ordered.map(bindStep));
  if (!inputs.privileged) {
    for (const target of inputs.maskedPaths) steps.push({ type: "mask", target });
    for (const target of inputs.readonlyPaths) steps.push({ type: "readonlyPath", target });
  }
  return steps;
}

function planKernelMounts(inputs: MountInputs, overridden: ReadonlySet<string>): MountStep[] {
  const safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const readonly = inputs.privileged ? 0 : MS_RDONLY;
  const steps: MountStep[] = [];
  if (!overridden.has("/proc"))
    steps.push({ type: "filesystem", filesystem: "proc", source: "proc", target: "/proc", flags: safe, data: "" });
  if (!overridden.has("/sys")) {
    steps.push(
      inputs.ownsNetwork
        ? { type: "filesystem", filesystem: "sysfs", source: "sysfs", target: "/sys", flags: safe | readonly, data: "" }
        : {
            type: "bind",
            source: "/sys",
            target: "/sys",
            isDirectory: true,
            readonly: !inputs.privileged,
            recursiveReadonly: false,
            propagation: "private",
          },
    );
    if (!overridden.has("/sys/fs/cgroup")) steps.push(...planCgroupMounts(inputs.cgroups, readonly));
  }
  return steps;
}

function planCgroupMounts(cgroups: readonly CgroupView[], readonly: number): MountStep[] {
  const safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const root = "/sys/fs/cgroup";
  const unified = cgroups.find((view) => view.directory === "");
  if (unified !== undefined)
    return [
      { type: "filesystem", filesystem: "cgroup2", source: "cgroup", target: root, flags: safe | readonly, data: "", optional: true },
    ];
  if (cgroups.length === 0) return [];
  return [
    { type: "filesystem", filesystem: "tmpfs", source: "tmpfs", target: root, flags: safe, data: "mode=755", optional: true },
    ...cgroups.map(
      (view): MountStep => ({
        type: "filesystem",
        filesystem: view.filesystem,
        source: "cgroup",
        target: `${root}/${view.directory}`,
        flags: safe | readonly,
        data: view.data,
        optional: true,
      }),
    ),
    ...(readonly === 0 ? [] : [{ type: "remountReadonly", target: root, flags: safe } as const]),
  ];
}

function planDeviceMounts(inputs: MountInputs, overridden: ReadonlySet<string>): MountStep[] {
  if (overridden.has("/dev")) return [];
  const steps: MountStep[] = [
    {
      type: "filesystem",
      filesystem: "tmpfs",
      source: "tmpfs",
      target: "/dev",
      flags: MS_NOSUID | MS_STRICTATIME,
      data: "mode=755,size=65536k",
    },
  ];
  const devices = new Map([...standardDevices, ...inputs.devices].map((device) => [device.containerPath, device]));
  for (const device of devices.values()) {
    steps.push(
      inputs.makesDevices
        ? nodeStep(device)
        : {
            type: "bind",
            source: device.hostPath,
            target: device.containerPath,
            isDirectory: false,
            readonly: false,
            recursiveReadonly: false,
            propagation: "private",
          },
    );
  }
  const group = inputs.makesDevices ? `,gid=${terminalGroup}` : "";
  steps.push({
    type: "filesystem",
    filesystem: "devpts",
    source: "devpts",
    target: "/dev/pts",
    flags: MS_NOSUID | MS_NOEXEC,
    data: `newinstance,ptmxmode=0666,mode=0620${group}`,
  });
  const links: [string, string][] = [
    ["/dev/ptmx", "pts/ptmx"],
    ["/dev/fd", "/proc/self/fd"],
    ["/dev/stdin", "/proc/self/fd/0"],
    ["/dev/stdout", "/proc/self/fd/1"],
    ["/dev/stderr", "/proc/self/fd/2"],
    ["/dev/core", "/proc/kcore"],
  ];
  steps.push(...links.map(([target, to]): MountStep => ({ type: "symlink", target, to })));
  // Without an IPC namespace of its own the pod cannot have a queue file system; nothing needs it then.
  if (!overridden.has("/dev/mqueue"))
    steps.push({
      type: "filesystem",
      filesystem: "mqueue",
      source: "mqueue",
      target: "/dev/mqueue",
      flags: MS_NOSUID | MS_NODEV | MS_NOEXEC,
      data: "",
      optional: true,
    });
  if (!overridden.has("/dev/shm"))
    steps.push({
      type: "bind",
      source: inputs.sharedMemory,
      target: "/dev/shm",
      isDirectory: true,
      readonly: false,
      recursiveReadonly: false,
      propagation: "private",
    });
  return steps;
}

function nodeStep(device: DeviceNode): MountStep {
  const type = device.kind === "block" ? S_IFBLK : S_IFCHR;
  return {
    type: "node",
    target: device.containerPath,
    mode: type | device.mode,
    device: encodeDevice(device.major, device.minor),
    uid: device.uid,
    gid: device.gid,
  };
}

/** The kernel's 32-bit device number: minor's low byte, 12 bits of major, the rest of minor. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** Node's `rdev` of a device file, taken apart. */
export function decodeDevice(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}

function bindStep(mount: RequestedMount): MountStep {
  const { containerPath, ...rest } = mount;
  return { type: "bind", ...rest, target: cleanPath(containerPath) };
}

/** Absolute, without empty parts, "." and "..". */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function depthOf(path: string): number {
  return cleanPath(path)
    .split("/")
    .filter((part) => part !== "").length;
}
