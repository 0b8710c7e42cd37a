// A node on one machine: its own mount, pid, uts, ipc, cgroup and network namespaces with an init of its own.
//
// Owns:  the init process and what is inside its namespaces; the node's cgroups.
// Not:   the network namespace (see fabric.ts) and which processes run in the node (see supervisor.ts).
// C1. Killing the init ends every process and mount of the node at once, as pulling the plug does.
// C2. What the node had in its folder on disk stays for the next power on.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { Host } from "../core/topology.js";
import { type CgroupLayout, createNodeCgroup, type NodeLimits, removeCgroups } from "./cgroups.js";

const initScript = fileURLToPath(new URL("../../src/drivers/capsule-init.sh", import.meta.url));
const readyTimeoutMs = 10_000;

export interface CapsuleOptions {
  readonly labID: string;
  readonly host: Host;
  /** The node's folder on disk. */
  readonly folder: string;
  readonly cgroups: CgroupLayout | undefined;
  readonly limits: NodeLimits;
}

export class Capsule {
  readonly #init: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(
    readonly options: CapsuleOptions,
    readonly joinFiles: readonly string[],
    init: ChildProcess,
  ) {
    this.#init = init;
    this.#ended = new Promise((resolve) => init.once("exit", () => resolve()));
  }

  /** Powers the node on; resolves when its mounts are in place. The host's network namespace must exist. */
  static async start(options: CapsuleOptions): Promise<Capsule> {
    const { host, folder, cgroups } = options;
    mkdirSync(folder, { recursive: true });
    const readyFile = `${folder}/.ready`;
    rmSync(readyFile, { force: true });
    const joinFiles = cgroups === undefined ? [] : createNodeCgroup(cgroups, options.labID, host.name, options.limits);
    const controllers = cgroups?.version === 1 ? cgroups.hierarchies.map((hierarchy) => basename(hierarchy)) : [];
    const init = spawn(
      "sh",
      [
        "-c",
        joinScript,
        "lenj-join",
        joinFiles.join(" "),
        ...["nsenter", `--net=/run/netns/${host.name}`, "--"],
        ...[
          "unshare",
          "--cgroup",
          "--mount",
          "--uts",
          "--ipc",
          "--pid",
          "--fork",
          "--kill-child=SIGKILL",
          "--mount-proc",
          "--propagation",
          "private",
        ],
        ...["sh", initScript, host.name, String(cgroups?.version ?? 0), folder, readyFile, controllers.join(" ")],
      ],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    const capsule = new Capsule(options, joinFiles, init);
    await capsule.#waitReady(readyFile);
    return capsule;
  }

  /** Command line that runs a program inside the node. */
  command(program: string, args: readonly string[]): { program: string; args: string[] } {
    // In a v2 node the delegating group itself may hold no process.
    const joinFiles =
      this.options.cgroups?.version === 2
        ? this.joinFiles.map((file) => file.replace(/cgroup\.procs$/, "init/cgroup.procs"))
        : this.joinFiles;
    return {
      program: "sh",
      args: [
        "-c",
        joinScript,
        "lenj-join",
        joinFiles.join(" "),
        ...["nsenter", `--target=${this.#initPid()}`, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--wd=/", "--"],
        program,
        ...args,
      ],
    };
  }

  /** Power off: everything of the node ends now. Resolves when it is gone, its cgroups too. */
  async kill(): Promise<void> {
    const pid = this.#init.pid;
    if (pid !== undefined && this.#init.exitCode === null && this.#init.signalCode === null) {
      for (const child of childrenOf(pid)) process.kill(child, "SIGKILL");
      this.#init.kill("SIGKILL");
    }
    await this.#ended;
    // The kernel empties the groups moments after the init is gone.
    for (let attempt = 0; attempt < 100 && !removeCgroups(this.options.labID, this.options.host.name); attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The first process inside the pid namespace: the only child of unshare. */
  #initPid(): number {
    const [init] = this.#init.pid === undefined ? [] : childrenOf(this.#init.pid);
    if (init === undefined) throw new Error(`Cannot enter ${this.options.host.name}: it is powered off`);
    return init;
  }

  async #waitReady(readyFile: string): Promise<void> {
    const deadlineMs = performance.now() + readyTimeoutMs;
    while (!existsSync(readyFile)) {
      if (this.#init.exitCode !== null || performance.now() > deadlineMs) {
        this.#init.kill("SIGKILL");
        throw new Error(
          `Cannot power on ${this.options.host.name}: its init ${this.#init.exitCode === null ? "did not get ready" : `ended with code ${this.#init.exitCode}`}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Joins the groups whose files are named in $1 (separated by spaces), then becomes the command that follows. */
const joinScript = 'files=$1; shift; for file in $files; do echo $$ > "$file" || exit 1; done; exec "$@"';

/** Pids of the direct children of a process, as seen from this pid namespace. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
