// Starts a test's node in a capsule and talks to it.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { KubeObject, resources } from "@lenj/client";
import { capsuleProgram } from "./capsule-program.js";
import type { HostRequest } from "./node-host.js";

type Resource = keyof typeof resources;

export class NodeCapsule {
  #sequence = 0;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();

  private constructor(
    readonly name: string,
    readonly folder: string,
    readonly child: ChildProcess,
  ) {
    child.on("message", (answer: { id: number; result?: unknown; error?: string }) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (answer.error !== undefined) waiting?.reject(new Error(answer.error));
      else waiting?.resolve(answer.result);
    });
    child.once("exit", (code, signal) => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error(`The capsule ended (${code ?? signal})`));
      this.#waiting.clear();
    });
  }

  /** `runtime`: "containerd", or the socket of one that the caller runs. */
  static async start(options: { readonly runtime?: string; readonly flags?: readonly string[] } = {}): Promise<NodeCapsule> {
    const folder = await mkdtemp(join(tmpdir(), "lenj-kubelet-"));
    const name = folder.split("/").at(-1) as string;
    const host = fileURLToPath(new URL("./node-host.js", import.meta.url));
    const child = spawn("sh", ["-c", capsuleProgram, "sh", name, process.execPath, host, folder, options.runtime ?? "containerd"], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const capsule = new NodeCapsule(name, folder, child);
    try {
      await capsule.call("start", ...(options.flags ?? []));
    } catch (error) {
      await capsule.close();
      throw error;
    }
    return capsule;
  }

  call<T>(method: HostRequest["method"], ...args: unknown[]): Promise<T> {
    const id = ++this.#sequence;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.child.send({ id, method, args } satisfies HostRequest);
    });
  }

  create<T extends KubeObject>(resource: Resource, object: T): Promise<T> {
    return this.call("create", resource, object);
  }

  get<T extends KubeObject>(resource: Resource, namespace: string, name: string): Promise<T | undefined> {
    return this.call("get", resource, namespace, name);
  }

  list<T extends KubeObject>(resource: Resource): Promise<T[]> {
    return this.call("list", resource);
  }

  /** Runs a program inside the capsule. */
  run(program: string, ...args: string[]): Promise<{ code: number; text: string }> {
    return this.call("run", program, ...args);
  }

  /** Asks until `check` accepts the answer; rejects with the last answer after `timeoutMs`. */
  async until<T>(ask: () => Promise<T>, check: (value: T) => boolean, timeoutMs = 30_000): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const value = await ask();
      if (check(value)) return value;
      if (Date.now() > deadline) throw new Error(`Not reached in ${timeoutMs} ms; last seen: ${JSON.stringify(value, undefined, 1)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Kills the capsule with everything in it and removes what it left. */
  async close(): Promise<void> {
    const exited =
      this.child.exitCode !== null || this.child.signalCode !== null
        ? Promise.resolve()
        : new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await exited;
    await removeCgroups(this.name);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

// Processes of a killed pid namespace leave their cgroups a moment later.
async function removeCgroups(name: string): Promise<void> {
  for (const controller of await readdir("/sys/fs/cgroup")) {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      try {
        await removeTree(join("/sys/fs/cgroup", controller, "lenj", name));
        break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
}

async function removeTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return;
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  await rmdir(folder);
}
