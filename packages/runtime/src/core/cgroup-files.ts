// The files of a cgroup: which hold which limit, and what their texts say. Both kernel interfaces.
//
// Units: CPU quota and period in microseconds, memory in bytes, CPU time in nanoseconds.
// Source: the kernel's admin-guide/cgroup-v1 and cgroup-v2; conversions are those of runc's libcontainer/cgroups.
import type { LinuxContainerResources } from "@lenj/proto/cri";

export type CgroupVersion = 1 | 2;

/** One value to write: the controller's file, relative to the group's directory (version 1: in that controller's hierarchy). */
export interface CgroupWrite {
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** The kernel or its configuration may lack the file. */
  readonly optional: boolean;
}

/** The writes that make a group have these limits; fields that are 0 or empty mean "leave alone". */
export function planLimits(version: CgroupVersion, resources: LinuxContainerResources): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  const add = (controller: string, file: string, value: string | bigint, optional = false): void =>
    void writes.push({ controller, file, value: String(value), optional });
  if (resources.cpuShares > 0n)
    version === 1 ? add("cpu", "cpu.shares", resources.cpuShares) : add("cpu", "cpu.weight", weightFromShares(resources.cpuShares));
  const period = resources.cpuPeriod > 0n ? resources.cpuPeriod : 100_000n;
  if (version === 1) {
    if (resources.cpuPeriod > 0n) add("cpu", "cpu.cfs_period_us", resources.cpuPeriod);
    if (resources.cpuQuota !== 0n) add("cpu", "cpu.cfs_quota_us", resources.cpuQuota);
  } else if (resources.cpuQuota !== 0n || resources.cpuPeriod > 0n) {
    add("cpu", "cpu.max", `${resources.cpuQuota > 0n ? resources.cpuQuota : "max"} ${period}`);
  }
  if (resources.cpusetCpus !== "") add("cpuset", "cpuset.cpus", resources.cpusetCpus);
  if (resources.cpusetMems !== "") add("cpuset", "cpuset.mems", resources.cpusetMems);
  const limit = resources.memoryLimitInBytes;
  if (limit !== 0n) {
    if (version === 1) {
      add("memory", "memory.limit_in_bytes", limit);
      add(
        "memory",
        "memory.memsw.limit_in_bytes",
        resources.memorySwapLimitInBytes === 0n ? limit : resources.memorySwapLimitInBytes,
        true,
      );
    } else {
      add("memory", "memory.max", limit < 0n ? "max" : limit);
      const swap = resources.memorySwapLimitInBytes;
      // Version 2 counts swap alone, the CRI memory and swap together.
      if (swap > 0n && limit > 0n && swap >= limit) add("memory", "memory.swap.max", swap - limit, true);
      else if (swap === 0n && limit > 0n) add("memory", "memory.swap.max", 0n, true);
    }
  }
  for (const { pageSize, limit: pages } of resources.hugepageLimits)
    add("hugetlb", version === 1 ? `hugetlb.${pageSize}.limit_in_bytes` : `hugetlb.${pageSize}.max`, pages, true);
  if (version === 2) for (const [file, value] of Object.entries(resources.unified)) add(file.split(".")[0] ?? "", file, value);
  return writes;
}

/** Shares 2..262144 to weight 1..10000. */
export function weightFromShares(shares: bigint): bigint {
  const clamped = shares < 2n ? 2n : shares > 262_144n ? 262_144n : shares;
  return 1n + ((clamped - 2n) * 9_999n) / 262_142n;
}

/** Rules of version 1's device controller for an unprivileged container: the standard nodes, all mknod, and what the pod asked for. */
export function planDeviceRules(
  devices: readonly { kind: "character" | "block"; major: number; minor: number; permissions: string }[],
): string[] {
  const standard = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
  ];
  return [
    ...standard,
    ...devices.map((device) => `${device.kind === "block" ? "b" : "c"} ${device.major}:${device.minor} ${device.permissions}`),
  ];
}

/** Parses "name value" lines: memory.stat, cpu.stat, memory.events, memory.oom_control. */
export function parseKeyedNumbers(text: string): Map<string, bigint> {
  const numbers = new Map<string, bigint>();
  for (const line of text.split("\n")) {
    const [name, value] = line.trim().split(/\s+/);
    if (name !== undefined && value !== undefined && /^\d+$/.test(value)) numbers.set(name, BigInt(value));
  }
  return numbers;
}

export interface Pressure {
  readonly some: PressureLine;
  readonly full: PressureLine;
}

export interface PressureLine {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  /** Microseconds. */
  readonly total: bigint;
}

/** Parses a pressure stall file; undefined when it is not one. */
export function parsePressure(text: string): Pressure | undefined {
  const parse = (kind: string): PressureLine => {
    const match = new RegExp(`^${kind} avg10=([\\d.]+) avg60=([\\d.]+) avg300=([\\d.]+) total=(\\d+)$`, "m").exec(text);
    return {
      avg10: Number(match?.[1] ?? 0),
      avg60: Number(match?.[2] ?? 0),
      avg300: Number(match?.[3] ?? 0),
      total: BigInt(match?.[4] ?? 0),
    };
  };
  return text.startsWith("some") ? { some: parse("some"), full: parse("full") } : undefined;
}
