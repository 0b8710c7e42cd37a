// What this machine, or the capsule it pretends to be, has: read from its cgroup first, because /proc shows the host's.
import { readFile, statfs } from "node:fs/promises";
import { arch, availableParallelism, release, totalmem } from "node:os";
import type { NodeSupply } from "../../core/eviction/eviction.js";
import type { NodeFacts } from "../../core/node/node-status.js";

const cgroupRoot = "/sys/fs/cgroup";
const architectures: Readonly<Record<string, string>> = {
  x64: "amd64",
  arm64: "arm64",
  arm: "arm",
  ia32: "386",
  ppc64: "ppc64le",
  s390x: "s390x",
  riscv64: "riscv64",
};

export interface MachineCapacity {
  readonly milliCPU: number;
  readonly memoryBytes: number;
}

export async function readCapacity(): Promise<MachineCapacity> {
  const milliCPU = availableParallelism() * 1000;
  const quota = (await readQuota()) ?? milliCPU;
  const limit = (await readNumber("memory/memory.limit_in_bytes")) ?? (await readNumber("memory.max"));
  const installed = totalmem();
  // Without a limit v1 shows a number near 2^63.
  return { milliCPU: Math.min(milliCPU, quota), memoryBytes: limit !== undefined && limit < installed ? limit : installed };
}

async function readQuota(): Promise<number | undefined> {
  const unified = await readText(`${cgroupRoot}/cpu.max`);
  if (unified !== undefined) {
    const [quota, period] = unified.trim().split(" ").map(Number);
    return quota === undefined || Number.isNaN(quota) || !period ? undefined : Math.floor((quota * 1000) / period);
  }
  const quota = await readNumber("cpu/cpu.cfs_quota_us");
  const period = await readNumber("cpu/cpu.cfs_period_us");
  return quota === undefined || quota <= 0 || !period ? undefined : Math.floor((quota * 1000) / period);
}

export async function readSystemInfo(): Promise<NodeFacts["system"]> {
  const osRelease = (await readText("/etc/os-release")) ?? "";
  return {
    machineID: ((await readText("/etc/machine-id")) ?? "").trim(),
    systemUUID: ((await readText("/sys/class/dmi/id/product_uuid")) ?? "").trim(),
    bootID: ((await readText("/proc/sys/kernel/random/boot_id")) ?? "").trim(),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?/m.exec(osRelease)?.[1] ?? "Linux",
    architecture: architectures[arch()] ?? arch(),
  };
}

export async function readStorageBytes(path: string): Promise<number> {
  const fs = await statfs(path);
  return fs.blocks * fs.bsize;
}

/** What is left of memory and of the file system at `path`. */
export async function readSupply(path: string, memoryBytes: number): Promise<NodeSupply> {
  const fs = await statfs(path);
  return {
    memoryAvailableBytes: memoryBytes - (await readWorkingSet(memoryBytes)),
    nodefsAvailableBytes: fs.bavail * fs.bsize,
    nodefsCapacityBytes: fs.blocks * fs.bsize,
    nodefsInodesFree: fs.ffree,
    nodefsInodes: fs.files,
  };
}

/** Memory of the node's cgroup that cannot be reclaimed at once; where there is no such cgroup, of the machine. */
export async function readWorkingSet(memoryBytes: number): Promise<number> {
  const usage = (await readNumber("memory/memory.usage_in_bytes")) ?? (await readNumber("memory.current"));
  const statistics = (await readText(`${cgroupRoot}/memory/memory.stat`)) ?? (await readText(`${cgroupRoot}/memory.stat`)) ?? "";
  const inactive = Number(/^(?:total_inactive_file|inactive_file) (\d+)/m.exec(statistics)?.[1] ?? 0);
  if (usage !== undefined) return Math.max(usage - inactive, 0);
  const available = Number(/^MemAvailable:\s+(\d+)/m.exec((await readText("/proc/meminfo")) ?? "")?.[1] ?? 0) * 1024;
  return Math.max(memoryBytes - available, 0);
}

/** Nanoseconds of CPU used by everything of the node; undefined where its cgroup does not say. */
export async function readCPUUsage(): Promise<number | undefined> {
  const legacy = await readNumber("cpuacct/cpuacct.usage");
  if (legacy !== undefined) return legacy;
  const text = await readText(`${cgroupRoot}/cpu.stat`);
  const micros = /^usage_usec (\d+)/m.exec(text ?? "")?.[1];
  return micros === undefined ? undefined : Number(micros) * 1000;
}

async function readNumber(file: string): Promise<number | undefined> {
  const text = await readText(`${cgroupRoot}/${file}`);
  const value = text === undefined ? Number.NaN : Number(text.trim());
  return Number.isNaN(value) ? undefined : value;
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
