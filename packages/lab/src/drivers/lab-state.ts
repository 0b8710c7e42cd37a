// The state folder of a lab: where everything is, and the configuration that outlives its processes.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import type { LabConfig, LabPaths } from "../core/topology.js";

export interface Lab {
  readonly config: LabConfig;
  readonly paths: LabPaths;
}

/** The lab's identity follows from where its state is, so that every command finds it again, also after a crash. */
export function labIdentity(state: string): string {
  const real = existsSync(state) ? realpathSync(state) : resolve(state);
  return createHash("sha256").update(real).digest("hex").slice(0, 10);
}

export function labPaths(state: string): LabPaths {
  const real = existsSync(state) ? realpathSync(state) : resolve(state);
  return {
    state: real,
    pki: `${real}/pki`,
    logs: `${real}/logs`,
    hosts: `${real}/hosts`,
    kubeconfigs: `${real}/kubeconfigs`,
    // The user's id would differ inside a user namespace.
    sockets: `${tmpdir()}/lenj-${labIdentity(state)}`,
  };
}

/** The lab in a state folder. Throws Error when there is none. */
export function readLab(state: string): Lab {
  const paths = labPaths(state);
  const file = `${paths.state}/lab.json`;
  if (!existsSync(file)) throw new Error(`No lab in ${paths.state}: start one with \`lenj up\``);
  return { config: JSON.parse(readFileSync(file, "utf8")) as LabConfig, paths };
}

export function writeLab(lab: Lab): void {
  mkdirSync(lab.paths.state, { recursive: true, mode: 0o700 });
  const file = `${lab.paths.state}/lab.json`;
  writeFileSync(`${file}.tmp`, `${JSON.stringify(lab.config, null, 2)}\n`);
  renameSync(`${file}.tmp`, file);
}

/** Pid, in the machine's view, of the process that holds the lab's namespaces; undefined when none is alive. */
export function readWorldPid(lab: Lab): number | undefined {
  const file = `${lab.paths.state}/world.pid`;
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, "utf8"));
  try {
    // A recycled pid belongs to somebody else: only a command line with the lab's name is ours.
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(worldMark(lab.config.id)) ? pid : undefined;
  } catch {
    return undefined;
  }
}

export function writeWorldPid(lab: Lab, pid: number): void {
  writeFileSync(`${lab.paths.state}/world.pid`, String(pid));
}

/** Stands in the command line of the process that holds the lab's namespaces. */
export const worldMark = (id: string): string => `lenj-world-${id}`;
