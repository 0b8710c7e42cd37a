// A node for tests: network, mount, uts, ipc and pid namespaces with an init of its own, in which a runtime is started and killed.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Waits until `check` gives something other than undefined or false. Rejects after `timeoutMs`, naming what it waited for. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`Did not happen in ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

export interface TestNode {
  readonly directory: string;
  readonly socket: string;
  /** The node's init, for nsenter. */
  readonly initPID: number;
  /** Words that run a program in the node. */
  readonly enter: readonly string[];
  /** The cgroup parent for this node's pods. */
  readonly cgroupParent: string;
  /** Starts the runtime, again after a kill; resolves when its socket answers. */
  startRuntime(): Promise<void>;
  /** SIGKILL. */
  killRuntime(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a runtime in the node; `enter` are the words that run a program there. */
export type RuntimeStarter = (node: {
  readonly directory: string;
  readonly socket: string;
  readonly enter: readonly string[];
}) => ChildProcess;

export const startLenjRuntime =
  (...flags: readonly string[]): RuntimeStarter =>
  ({ directory, socket, enter }) =>
    spawnIn(enter, [
      process.execPath,
      fileURLToPath(new URL("../main.js", import.meta.url)),
      `--listen=unix://${socket}`,
      `--root=${directory}/root`,
      `--state=${directory}/state/runtime`,
      "--pod-cidr=10.244.7.0/24",
      ...flags,
    ]);

export function spawnIn(enter: readonly string[], command: readonly string[]): ChildProcess {
  const [program = "", ...args] = [...enter, ...command];
  return spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
}

/** Makes the node. Its network has a loopback interface and nothing else: nothing of the machine's can be reached. */
export async function createTestNode(starter: RuntimeStarter = startLenjRuntime()): Promise<TestNode> {
  const directory = mkdtempSync(join(tmpdir(), "lenj-runtime-"));
  const socket = join(directory, "runtime.sock");
  // Mounts of sandboxes stay in the namespace; the init reaps what shims leave.
  const init = `
set -e
mkdir -p ${directory}/state ${directory}/shared
mount -t tmpfs lenj-run /run
mount --bind ${directory}/shared ${directory}/shared
mount --make-rshared ${directory}/shared
ip link set lo up
mount -t tmpfs lenj-state ${directory}/state
set +e
while :; do sleep 1000 & wait; done`;
  const namespace: ChildProcess = spawn("unshare", [...unshareFlags, "sh", "-c", init], { stdio: ["ignore", "ignore", "inherit"] });
  const initPID = await eventually("the node's init", () => childOf(namespace.pid));
  await eventually("the node's state directory", () => readFileSync(`/proc/${initPID}/mounts`, "utf8").includes("lenj-state"));
  const enter = ["nsenter", "--target", String(initPID), "--net", "--mount", "--uts", "--ipc", "--pid", "--"];
  let runtime: ChildProcess | undefined;
  return {
    directory,
    socket,
    initPID,
    enter,
    cgroupParent: `/lenj-test-${process.pid}-${initPID}`,
    startRuntime: async () => {
      rmSync(socket, { force: true });
      runtime = starter({ directory, socket, enter });
      await eventually("the runtime's socket", () => existsSync(socket));
    },
    killRuntime: async () => {
      const child = runtime;
      if (child?.pid === undefined) return;
      const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      // nsenter forks to be in the process namespace: the runtime is its child.
      process.kill(childOf(child.pid) ?? child.pid, "SIGKILL");
      await ended;
      runtime = undefined;
    },
    close: async () => {
      const ended = new Promise<void>((resolve) => namespace.once("exit", () => resolve()));
      process.kill(initPID, "SIGKILL");
      await ended;
      await eventually("the node's files", () => {
        try {
          rmSync(directory, { recursive: true, force: true });
          return true;
        } catch {
          return false;
        }
      });
    },
  };
}

const unshareFlags = [
  ...["--net", "--mount", "--uts", "--ipc", "--pid", "--fork"],
  ...["--kill-child=SIGKILL", "--mount-proc", "--propagation", "private"],
];

function childOf(pid: number | undefined): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return children === "" ? undefined : Number(children.split(" ")[0]);
  } catch {
    return undefined;
  }
}
