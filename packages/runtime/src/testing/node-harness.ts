// A node for tests: network, mount, uts, ipc and pid namespaces with an init of its own, in which a runtime is started and killed.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  /** The cgroup parent for this node's pods. */
  readonly cgroupParent: string;
  /** Starts the runtime, again after a kill; resolves when its socket answers. */
  startRuntime(): Promise<void>;
  /** SIGKILL. */
  killRuntime(): Promise<void>;
  close(): Promise<void>;
}

/** Makes the node. Its network has a loopback interface and nothing else; `registryPort` of the machine's loopback is not reachable. */
export async function createTestNode(flags: readonly string[] = []): Promise<TestNode> {
  const directory = mkdtempSync(join(tmpdir(), "lenj-runtime-"));
  const socket = join(directory, "runtime.sock");
  const requests = join(directory, "requests");
  writeFileSync(requests, "");
  // Mounts of sandboxes stay in the namespace; the init reaps what shims leave.
  const init = `
mount -t tmpfs lenj-state ${directory}/state 2>/dev/null || { mkdir -p ${directory}/state && mount -t tmpfs lenj-state ${directory}/state; }
ip link set lo up
while :; do sleep 1000 & wait; done`;
  const namespace: ChildProcess = spawn(
    "unshare",
    [
      "--net",
      "--mount",
      "--uts",
      "--ipc",
      "--pid",
      "--fork",
      "--kill-child=SIGKILL",
      "--mount-proc",
      "--propagation",
      "private",
      "sh",
      "-c",
      init,
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const initPID = await eventually("the node's init", () => {
    try {
      const children = readFileSync(`/proc/${namespace.pid}/task/${namespace.pid}/children`, "utf8").trim();
      return children === "" ? undefined : Number(children.split(" ")[0]);
    } catch {
      return undefined;
    }
  });
  await eventually("the node's state directory", () => readFileSync(`/proc/${initPID}/mounts`, "utf8").includes("lenj-state"));
  const main = fileURLToPath(new URL("../main.js", import.meta.url));
  let runtime: ChildProcess | undefined;
  const cgroupParent = `/lenj-test-${process.pid}-${initPID}`;
  return {
    directory,
    socket,
    initPID,
    cgroupParent,
    startRuntime: async () => {
      rmSync(socket, { force: true });
      runtime = spawn(
        "nsenter",
        [
          "--target",
          String(initPID),
          "--net",
          "--mount",
          "--uts",
          "--ipc",
          "--pid",
          "--",
          process.execPath,
          main,
          `--listen=unix://${socket}`,
          `--root=${directory}/root`,
          `--state=${directory}/state/runtime`,
          "--pod-cidr=10.244.7.0/24",
          ...flags,
        ],
        { stdio: ["ignore", "ignore", "inherit"] },
      );
      await eventually("the runtime's socket", () => existsSync(socket));
    },
    killRuntime: async () => {
      const child = runtime;
      if (child?.pid === undefined) return;
      const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      const inner = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ")[0];
      process.kill(Number(inner || child.pid), "SIGKILL");
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
