// Cgroups of sandboxes and containers on the node's file systems, version 1 (one hierarchy a controller) or 2 (one for all).
//
// Owns:  directories below the parents that the kubelet makes.
// G1. Where no hierarchy can be written (no root), groups are not made and limits and statistics are absent; `kind` says so.
// G2. Removing kills what is still inside.
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LinuxContainerResources } from "@lenj/proto/cri";
import {
  type CgroupVersion,
  type CgroupWrite,
  type Pressure,
  parseKeyedNumbers,
  parsePressure,
  planDeviceRules,
  planLimits,
} from "../core/cgroup-files.js";
import { RuntimeError } from "../core/errors.js";
import type { CgroupView } from "../core/mount-plan.js";

interface Hierarchy {
  /** "cpu", "memory", … or "" for version 2 */
  readonly name: string;
  readonly controllers: readonly string[];
  readonly mountPoint: string;
  readonly data: string;
}

export interface CgroupUsage {
  readonly cpuNanoseconds: bigint;
  readonly memoryUsage: bigint;
  readonly workingSet: bigint;
  readonly rss: bigint;
  readonly pageFaults: bigint;
  readonly majorPageFaults: bigint;
  /** 0: no limit */
  readonly memoryLimit: bigint;
  readonly swapUsage: bigint;
  readonly processes: bigint;
  readonly cpuPressure: Pressure | undefined;
  readonly memoryPressure: Pressure | undefined;
  readonly ioPressure: Pressure | undefined;
}

const unlimitedFrom = 1n << 62n;

export class Cgroups {
  readonly kind: "v1" | "v2" | "none";
  readonly #hierarchies: readonly Hierarchy[];

  constructor(mountInfo: string = readFileSync("/proc/self/mountinfo", "utf8")) {
    const found = parseHierarchies(mountInfo);
    const v1 = found.filter((hierarchy) => hierarchy.name !== "").filter(isWritable);
    const v2 = found.filter((hierarchy) => hierarchy.name === "").filter(isWritable);
    this.#hierarchies = v1.length > 0 ? v1 : v2;
    this.kind = v1.length > 0 ? "v1" : v2.length > 0 ? "v2" : "none";
  }

  /** What a container sees below /sys/fs/cgroup. */
  get views(): CgroupView[] {
    return this.#hierarchies.map((hierarchy) => ({
      filesystem: this.kind === "v1" ? "cgroup" : "cgroup2",
      directory: hierarchy.name,
      data: hierarchy.data,
    }));
  }

  get #version(): CgroupVersion {
    return this.kind === "v1" ? 1 : 2;
  }

  /** Makes the group, and its parents where the kubelet did not. Idempotent. */
  create(path: string): void {
    for (const hierarchy of this.#hierarchies) {
      const directory = join(hierarchy.mountPoint, path);
      try {
        this.#makeDirectory(hierarchy, directory);
      } catch (error) {
        throw new RuntimeError("UNKNOWN", `cannot create cgroup ${directory}: ${(error as Error).message}`, { cause: error });
      }
    }
  }

  /** Files by which a process enters the group. */
  procsFiles(path: string): string[] {
    return this.#hierarchies.map((hierarchy) => join(hierarchy.mountPoint, path, "cgroup.procs"));
  }

  /** Throws RuntimeError UNKNOWN when the kernel refuses a value. */
  applyLimits(path: string, resources: LinuxContainerResources | undefined): void {
    if (resources === undefined) return;
    const writes = planLimits(this.#version, resources);
    // Growing memory needs the swap limit raised first, shrinking the other way round: a second round settles both.
    const failed = writes.filter((write) => !this.#write(path, write));
    for (const write of failed) {
      if (this.#write(path, write) || write.optional || this.kind === "none") continue;
      throw new RuntimeError("UNKNOWN", `failed to set ${write.file} to ${write.value} in cgroup ${path}`);
    }
    // The first round may have written a swap limit below the new memory limit's old value.
    for (const write of writes.filter((candidate) => candidate.optional)) this.#write(path, write);
  }

  /** Limits devices where the kernel interface is a file (version 1). */
  applyDeviceRules(path: string, devices: Parameters<typeof planDeviceRules>[0]): void {
    const hierarchy = this.#find("devices");
    if (this.kind !== "v1" || hierarchy === undefined) return;
    const directory = join(hierarchy.mountPoint, path);
    try {
      writeFileSync(join(directory, "devices.deny"), "a");
      for (const rule of planDeviceRules(devices)) writeFileSync(join(directory, "devices.allow"), rule);
    } catch (error) {
      throw new RuntimeError("UNKNOWN", `failed to set device rules in cgroup ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** How many of the group's processes the kernel killed for lack of memory, so far. */
  oomKills(path: string): bigint {
    const text = this.#read(path, "memory", this.kind === "v1" ? "memory.oom_control" : "memory.events");
    return text === undefined ? 0n : (parseKeyedNumbers(text).get("oom_kill") ?? 0n);
  }

  /** Process IDs in the group, as this process's pid namespace numbers them. */
  processes(path: string): number[] {
    const text = this.#read(path, this.kind === "v1" ? (this.#hierarchies[0]?.controllers[0] ?? "") : "", "cgroup.procs") ?? "";
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map(Number)
      .filter((pid) => pid > 0);
  }

  /** Undefined when the group is gone or cannot be measured. */
  usage(path: string): CgroupUsage | undefined {
    if (this.kind === "none") return undefined;
    const memory = parseKeyedNumbers(this.#read(path, "memory", "memory.stat") ?? "");
    const number = (controller: string, file: string): bigint => parseNumber(this.#read(path, controller, file));
    const isV1 = this.kind === "v1";
    const memoryUsage = number("memory", isV1 ? "memory.usage_in_bytes" : "memory.current");
    const inactiveFile = memory.get(isV1 ? "total_inactive_file" : "inactive_file") ?? 0n;
    const cpuText = this.#read(path, isV1 ? "cpuacct" : "cpu", isV1 ? "cpuacct.usage" : "cpu.stat");
    if (cpuText === undefined) return undefined;
    const limit = number("memory", isV1 ? "memory.limit_in_bytes" : "memory.max");
    const pressure = (file: string): Pressure | undefined => parsePressure(this.#read(path, "", file) ?? "");
    return {
      cpuNanoseconds: isV1 ? parseNumber(cpuText) : (parseKeyedNumbers(cpuText).get("usage_usec") ?? 0n) * 1000n,
      memoryUsage,
      workingSet: memoryUsage > inactiveFile ? memoryUsage - inactiveFile : 0n,
      rss: memory.get(isV1 ? "total_rss" : "anon") ?? 0n,
      pageFaults: memory.get(isV1 ? "total_pgfault" : "pgfault") ?? 0n,
      majorPageFaults: memory.get(isV1 ? "total_pgmajfault" : "pgmajfault") ?? 0n,
      memoryLimit: limit >= unlimitedFrom ? 0n : limit,
      swapUsage: isV1 ? (memory.get("total_swap") ?? 0n) : number("memory", "memory.swap.current"),
      processes: number("pids", "pids.current"),
      cpuPressure: pressure("cpu.pressure"),
      memoryPressure: pressure("memory.pressure"),
      ioPressure: pressure("io.pressure"),
    };
  }

  /** Sends SIGKILL to everything in the group until nothing is left, for at most `timeoutMs`. */
  async killAll(path: string, timeoutMs = 5_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (let pids = this.processes(path); pids.length > 0 && performance.now() < deadline; pids = this.processes(path)) {
      for (const pid of pids) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // Gone in the meantime.
        }
      }
      await sleep(5);
    }
  }

  /** Removes the group in every hierarchy. Idempotent. */
  async remove(path: string): Promise<void> {
    if (path === "" || path === "/") return;
    await this.killAll(path);
    for (const hierarchy of this.#hierarchies) await removeDirectory(join(hierarchy.mountPoint, path));
  }

  #makeDirectory(hierarchy: Hierarchy, directory: string): void {
    if (directory.length <= hierarchy.mountPoint.length) return;
    const parent = dirname(directory);
    this.#makeDirectory(hierarchy, parent);
    try {
      mkdirSync(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
      throw error;
    }
    // A new version 1 cpuset is empty and takes no process; a version 2 parent must hand its controllers down.
    if (hierarchy.controllers.includes("cpuset") && this.kind === "v1")
      for (const file of ["cpuset.cpus", "cpuset.mems"]) writeFileSync(join(directory, file), readFileSync(join(parent, file)));
    if (this.kind === "v2") enableControllers(parent);
  }

  #find(controller: string): Hierarchy | undefined {
    return this.kind === "v2" ? this.#hierarchies[0] : this.#hierarchies.find((hierarchy) => hierarchy.controllers.includes(controller));
  }

  #read(path: string, controller: string, file: string): string | undefined {
    const hierarchy = this.#find(controller);
    if (hierarchy === undefined) return undefined;
    try {
      return readFileSync(join(hierarchy.mountPoint, path, file), "utf8");
    } catch {
      return undefined; // The group or the file does not exist: callers treat both as "unknown".
    }
  }

  #write(path: string, write: CgroupWrite): boolean {
    const hierarchy = this.#find(write.controller);
    if (hierarchy === undefined) return false;
    try {
      writeFileSync(join(hierarchy.mountPoint, path, write.file), write.value);
      return true;
    } catch {
      return false;
    }
  }
}

function parseHierarchies(mountInfo: string): Hierarchy[] {
  const hierarchies: Hierarchy[] = [];
  for (const line of mountInfo.split("\n")) {
    const [head, tail] = line.split(" - ");
    const mountPoint = head?.split(" ")[4];
    const [filesystem, , options = ""] = tail?.split(" ") ?? [];
    if (mountPoint === undefined || (filesystem !== "cgroup" && filesystem !== "cgroup2")) continue;
    if (filesystem === "cgroup2") {
      hierarchies.push({ name: "", controllers: [], mountPoint, data: "" });
      continue;
    }
    const controllers = options
      .split(",")
      .filter((option) => !["rw", "ro", "xattr", "clone_children", "noprefix"].includes(option) && !option.includes("="));
    // name=systemd and the like carry no controller.
    if (controllers.length > 0 && !hierarchies.some((known) => known.controllers.includes(controllers[0] as string))) {
      hierarchies.push({ name: controllers.join(","), controllers, mountPoint, data: controllers.join(",") });
    }
  }
  return hierarchies;
}

function isWritable(hierarchy: Hierarchy): boolean {
  const probe = join(hierarchy.mountPoint, `lenj-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return true;
  } catch {
    return false;
  }
}

function enableControllers(directory: string): void {
  try {
    for (const controller of readFileSync(join(directory, "cgroup.controllers"), "utf8").trim().split(" ")) {
      if (controller !== "") writeFileSync(join(directory, "cgroup.subtree_control"), `+${controller}`);
    }
  } catch {
    // A parent with processes of its own cannot delegate: limits of that controller are then refused when they are set.
  }
}

async function removeDirectory(directory: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    try {
      for (const entry of readdirSync(directory, { withFileTypes: true }))
        if (entry.isDirectory()) await removeDirectory(join(directory, entry.name));
      rmdirSync(directory);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      // EBUSY: the kernel is still letting go of the last process.
      await sleep(10);
    }
  }
}

function parseNumber(text: string | undefined): bigint {
  const trimmed = text?.trim() ?? "";
  return /^\d+$/.test(trimmed) ? BigInt(trimmed) : 0n;
}
