// Control groups of a lab: one for every node, under a folder named after the lab, in every hierarchy of the machine.
//
// Both layouts: v1 (a folder for each controller) and v2 (one tree). Where nothing may be written (an ordinary user),
// the lab runs without; the nodes then say so.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";

const root = "/sys/fs/cgroup";

export interface NodeLimits {
  readonly memoryBytes?: number;
  readonly cpus?: number;
}

export interface CgroupLayout {
  readonly version: 1 | 2;
  /** v1: folders of the controllers that can be written, such as "/sys/fs/cgroup/memory". v2: the one tree. */
  readonly hierarchies: readonly string[];
}

/** How this machine's cgroups are laid out, or undefined where this process may not make any. */
export function detectCgroups(): CgroupLayout | undefined {
  if (existsSync(`${root}/cgroup.controllers`)) {
    return isWritable(root) ? { version: 2, hierarchies: [root] } : undefined;
  }
  if (!existsSync(root)) return undefined;
  const hierarchies = readdirSync(root)
    .filter((name) => name !== "unified")
    .map((name) => `${root}/${name}`)
    .filter((folder) => statSync(folder).isDirectory() && existsSync(`${folder}/cgroup.procs`) && isWritable(folder));
  return hierarchies.length === 0 ? undefined : { version: 1, hierarchies };
}

function isWritable(folder: string): boolean {
  const probe = `${folder}/lenj-probe-${process.pid}`;
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return true;
  } catch {
    return false;
  }
}

const labFolder = (hierarchy: string, labID: string): string => `${hierarchy}/lenj-${labID}`;

/** Makes a node's groups with its limits. Returns the files into which a process writes its pid to join. */
export function createNodeCgroup(layout: CgroupLayout, labID: string, node: string, limits: NodeLimits): string[] {
  return layout.hierarchies.map((hierarchy) => {
    const lab = labFolder(hierarchy, labID);
    const folder = `${lab}/${node}`;
    if (layout.version === 2) enableControllers(hierarchy);
    mkdirSync(lab, { recursive: true });
    if (layout.version === 2) enableControllers(lab);
    inheritCpuset(hierarchy, lab);
    mkdirSync(folder, { recursive: true });
    inheritCpuset(lab, folder);
    if (layout.version === 1) limitV1(hierarchy, folder, limits);
    else limitV2(folder, limits);
    return `${folder}/cgroup.procs`;
  });
}

function enableControllers(folder: string): void {
  const available = readFileSync(`${folder}/cgroup.controllers`, "utf8").trim().split(" ").filter(Boolean);
  for (const controller of available) {
    try {
      writeFileSync(`${folder}/cgroup.subtree_control`, `+${controller}`);
    } catch {
      // A controller that cannot be delegated here (processes in the group, or bound to v1) is one limit less.
    }
  }
}

/** A v1 cpuset group takes no process before its processors and memory nodes are set. */
function inheritCpuset(parent: string, folder: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if (!existsSync(`${folder}/${file}`) || !folder.includes("/cpuset/")) continue;
    writeFileSync(`${folder}/${file}`, readFileSync(`${parent}/${file}`, "utf8"));
  }
}

function limitV1(hierarchy: string, folder: string, limits: NodeLimits): void {
  if (limits.memoryBytes !== undefined && hierarchy.endsWith("/memory"))
    writeFileSync(`${folder}/memory.limit_in_bytes`, String(limits.memoryBytes));
  if (limits.cpus !== undefined && existsSync(`${folder}/cpu.cfs_quota_us`)) {
    writeFileSync(`${folder}/cpu.cfs_quota_us`, String(Math.round(limits.cpus * 100_000)));
  }
}

function limitV2(folder: string, limits: NodeLimits): void {
  if (limits.memoryBytes !== undefined) writeFileSync(`${folder}/memory.max`, String(limits.memoryBytes));
  if (limits.cpus !== undefined) writeFileSync(`${folder}/cpu.max`, `${Math.round(limits.cpus * 100_000)} 100000`);
}

/** Removes a node's groups, or the whole lab's. Groups that still hold dying processes are left for the next call; returns whether all went. */
export function removeCgroups(labID: string, node?: string): boolean {
  if (!existsSync(root)) return true;
  const hierarchies = existsSync(`${root}/cgroup.controllers`) ? [root] : readdirSync(root).map((name) => `${root}/${name}`);
  let removed = true;
  for (const hierarchy of hierarchies) {
    const folder = node === undefined ? labFolder(hierarchy, labID) : `${labFolder(hierarchy, labID)}/${node}`;
    if (existsSync(folder)) removed = removeTree(folder) && removed;
  }
  return removed;
}

function removeTree(folder: string): boolean {
  let removed = true;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removed = removeTree(`${folder}/${entry.name}`) && removed;
  }
  try {
    rmdirSync(folder);
  } catch {
    removed = false;
  }
  return removed;
}
