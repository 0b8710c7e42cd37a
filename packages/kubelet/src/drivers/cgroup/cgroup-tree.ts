// cgroups of pods, for cgroup v1 (one hierarchy a controller) and v2 (one hierarchy). Upstream: pkg/kubelet/cm, cgroupfs driver.
//
// Owns:  /kubepods and what lies below it down to the pods; the containers' own are the runtime's.
// G1. A pod's cgroup exists, with its limits, before its sandbox does.
// G2. Where cgroups cannot be written (no root), everything here is a no-op and `isWritable` says so.
import { access, constants, mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import { type CgroupSettings, podSettings, sharesOf, weightOf } from "../../core/resources/cgroup.js";
import { podCgroup, podRequests, qosClass } from "../../core/resources/pod-resources.js";

const mountPoint = "/sys/fs/cgroup";
const qosLevels = ["/kubepods", "/kubepods/burstable", "/kubepods/besteffort"] as const;

export class CgroupTree {
  private constructor(
    /** v1: one folder a controller; v2: the single root. Empty: not writable (G2). */
    readonly hierarchies: readonly string[],
    readonly version: 1 | 2,
    readonly logger: Logger,
  ) {}

  static async open(logger: Logger): Promise<CgroupTree> {
    const unified = await exists(join(mountPoint, "cgroup.controllers"));
    const candidates = unified ? [mountPoint] : (await readdir(mountPoint).catch(() => [])).map((name) => join(mountPoint, name));
    const writable: string[] = [];
    for (const folder of candidates) {
      // systemd's own and the v2 side of a hybrid machine carry no controllers.
      if (!unified && /\/(systemd|unified|elogind|misc)$/.test(folder)) continue;
      if (
        await access(join(folder, "cgroup.procs"), constants.W_OK).then(
          () => true,
          () => false,
        )
      )
        writable.push(folder);
    }
    return new CgroupTree(writable, unified ? 2 : 1, logger);
  }

  get isWritable(): boolean {
    return this.hierarchies.length > 0;
  }

  /** Makes the levels above the pods; `allocatable` bounds all pods together. */
  async prepareRoot(allocatable: { readonly milliCPU: number; readonly memoryBytes: number }): Promise<void> {
    for (const level of qosLevels) await this.#make(level);
    await this.#apply("/kubepods", { cpuShares: sharesOf(allocatable.milliCPU), memoryLimitBytes: allocatable.memoryBytes });
    await this.#apply("/kubepods/besteffort", { cpuShares: 2 });
  }

  /** G1. */
  async ensurePod(pod: corev1.Pod, pidsMax: number | undefined): Promise<void> {
    const path = podCgroup(pod);
    await this.#make(path);
    await this.#apply(path, podSettings(pod, pidsMax));
  }

  /** Burstable pods share the CPU by what they requested together. */
  async updateQOS(pods: readonly corev1.Pod[]): Promise<void> {
    const milliCPU = pods.filter((pod) => qosClass(pod) === "Burstable").reduce((sum, pod) => sum + (podRequests(pod)["cpu"] ?? 0), 0);
    await this.#apply("/kubepods/burstable", { cpuShares: sharesOf(milliCPU) });
  }

  /** UIDs of the pods that have a cgroup. */
  async pods(): Promise<Set<string>> {
    const uids = new Set<string>();
    for (const hierarchy of this.hierarchies) {
      for (const level of qosLevels) {
        for (const name of await readdir(join(hierarchy, level)).catch(() => [])) {
          if (name.startsWith("pod")) uids.add(name.slice(3));
        }
      }
    }
    return uids;
  }

  /** Removes a pod's cgroups, which must hold no process any more. */
  async removePod(uid: string): Promise<void> {
    for (const hierarchy of this.hierarchies) {
      for (const level of qosLevels) await removeTree(join(hierarchy, level, `pod${uid}`));
    }
  }

  async #make(path: string): Promise<void> {
    for (const hierarchy of this.hierarchies) {
      const folder = join(hierarchy, path);
      await mkdir(folder, { recursive: true }).catch((error: unknown) =>
        this.logger.warn("Making a cgroup failed", { path: folder, error: (error as Error).message }),
      );
      if (this.version === 2) await this.#delegate(hierarchy, path);
      else if (/\/cpuset$/.test(hierarchy)) await this.#copyCPUSet(hierarchy, path);
    }
  }

  // v2: a controller works in a cgroup only when every one above passes it on.
  async #delegate(root: string, path: string): Promise<void> {
    let folder = root;
    for (const part of path.split("/").filter((name) => name !== "")) {
      const controllers = (await readFile(join(folder, "cgroup.controllers"), "utf8").catch(() => "")).trim().split(" ");
      for (const controller of controllers.filter((name) => ["cpu", "cpuset", "memory", "pids", "io", "hugetlb"].includes(name))) {
        await this.#write(join(folder, "cgroup.subtree_control"), `+${controller}`);
      }
      folder = join(folder, part);
    }
  }

  // v1: an empty cpuset takes no process; it starts as its parent is.
  async #copyCPUSet(root: string, path: string): Promise<void> {
    let folder = root;
    for (const part of path.split("/").filter((name) => name !== "")) {
      const child = join(folder, part);
      for (const file of ["cpuset.cpus", "cpuset.mems"]) {
        const own = (await readFile(join(child, file), "utf8").catch(() => "x")).trim();
        if (own === "") await this.#write(join(child, file), (await readFile(join(folder, file), "utf8")).trim());
      }
      folder = child;
    }
  }

  async #apply(path: string, settings: CgroupSettings): Promise<void> {
    for (const [file, value] of this.version === 2 ? unifiedFiles(settings) : legacyFiles(settings)) {
      const [controller = "", name = ""] = this.version === 2 ? ["", file] : (file.split("/") as [string, string]);
      const hierarchy =
        this.version === 2
          ? this.hierarchies[0]
          : this.hierarchies.find(
              (folder) => folder.endsWith(`/${controller}`) || folder.split("/").at(-1)?.split(",").includes(controller),
            );
      if (hierarchy !== undefined) await this.#write(join(hierarchy, path, name), value);
    }
  }

  async #write(path: string, value: string): Promise<void> {
    await writeFile(path, value).catch((error: unknown) =>
      this.logger.debug("Writing to a cgroup failed", { path, value, error: (error as Error).message }),
    );
  }
}

function legacyFiles(settings: CgroupSettings): [string, string][] {
  return [
    ["cpu/cpu.shares", String(settings.cpuShares)],
    ...(settings.cpuQuotaUs === undefined
      ? []
      : ([
          ["cpu/cpu.cfs_period_us", String(settings.cpuPeriodUs)],
          ["cpu/cpu.cfs_quota_us", String(settings.cpuQuotaUs)],
        ] as [string, string][])),
    ...(settings.memoryLimitBytes === undefined
      ? []
      : ([["memory/memory.limit_in_bytes", String(settings.memoryLimitBytes)]] as [string, string][])),
    ...(settings.pidsMax === undefined ? [] : ([["pids/pids.max", String(settings.pidsMax)]] as [string, string][])),
  ];
}

function unifiedFiles(settings: CgroupSettings): [string, string][] {
  return [
    ["cpu.weight", String(weightOf(settings.cpuShares))],
    ...(settings.cpuQuotaUs === undefined ? [] : ([["cpu.max", `${settings.cpuQuotaUs} ${settings.cpuPeriodUs}`]] as [string, string][])),
    ...(settings.memoryLimitBytes === undefined ? [] : ([["memory.max", String(settings.memoryLimitBytes)]] as [string, string][])),
    ...(settings.pidsMax === undefined ? [] : ([["pids.max", String(settings.pidsMax)]] as [string, string][])),
  ];
}

async function removeTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  }
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
