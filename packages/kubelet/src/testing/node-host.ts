// A node for integration tests: runs as the first process of a capsule, with a container runtime, a kubelet and an
// in-memory api-server, and does what its parent asks over the process channel.
import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type LogFields, type Logger, SystemClock, SystemRandom, silentLogger } from "@lenj/base";
import { type GroupVersionResource, type KubeObject, resources } from "@lenj/client";
import { FakeApiClient } from "@lenj/client/testing";
import { parseFlags } from "@lenj/component-base";
import { decideConfig } from "../config.js";
import { Kubelet } from "../kubelet.js";
import { kubeletFlags } from "../options.js";
import { startContainerd } from "./containerd-node.js";

export interface HostRequest {
  readonly id: number;
  readonly method: "start" | "create" | "get" | "list" | "delete" | "update" | "restart" | "run" | "stop";
  readonly args: readonly unknown[];
}

const [folder = "", runtime = "containerd"] = process.argv.slice(2);
const clock = new SystemClock();
const random = new SystemRandom();
const client = new FakeApiClient({ clock });
let kubelet: Kubelet | undefined;
let endpoint = "";

const logger: Logger = process.env["LENJ_TEST_LOG"] === undefined ? silentLogger : stderrLogger({});

function stderrLogger(base: LogFields): Logger {
  const write = (level: string) => (message: string, fields?: LogFields) =>
    process.stderr.write(`${level} ${message} ${JSON.stringify({ ...base, ...fields })}\n`);
  return {
    error: write("E"),
    warn: write("W"),
    info: write("I"),
    debug: write("D"),
    isDebugEnabled: true,
    child: (fields) => stderrLogger({ ...base, ...fields }),
  };
}

async function startKubelet(flags: readonly string[]): Promise<void> {
  const values = parseFlags(kubeletFlags, [
    "--kubeconfig=none",
    "--hostname-override=n1",
    "--node-ip=127.0.0.1",
    `--root-dir=${folder}/kubelet`,
    `--pod-log-dir=${folder}/log/pods`,
    `--container-log-dir=${folder}/log/containers`,
    `--container-runtime-endpoint=${endpoint}`,
    "--cluster-dns=10.96.0.10",
    "--cluster-domain=cluster.local",
    ...flags,
  ]).values;
  kubelet = await Kubelet.start(decideConfig(values), { client, clock, random, logger });
}

const handlers: Record<HostRequest["method"], (...args: never[]) => Promise<unknown>> = {
  async start(...flags: string[]) {
    await mkdir(join(folder, "log"), { recursive: true });
    if (runtime === "containerd") endpoint = (await startContainerd(folder)).endpoint;
    else endpoint = runtime;
    await startKubelet(flags);
  },
  async restart(...flags: string[]) {
    await kubelet?.close();
    await startKubelet(flags);
  },
  create: (gvr: keyof typeof resources, object: KubeObject) => client.create(resources[gvr] as GroupVersionResource, object),
  get: (gvr: keyof typeof resources, namespace: string, name: string) =>
    client.get(resources[gvr] as GroupVersionResource, { namespace, name }).catch(() => undefined),
  list: async (gvr: keyof typeof resources) => (await client.list(resources[gvr] as GroupVersionResource)).items,
  update: (gvr: keyof typeof resources, object: KubeObject) => client.update(resources[gvr] as GroupVersionResource, object),
  delete: (gvr: keyof typeof resources, namespace: string, name: string, grace?: number) =>
    client.delete(resources[gvr] as GroupVersionResource, { namespace, name }, grace === undefined ? {} : { gracePeriodSeconds: grace }),
  run: (program: string, ...args: string[]) =>
    new Promise((resolve) => {
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
      let text = "";
      child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
      child.once("close", (code) => resolve({ code, text }));
      child.once("error", (error) => resolve({ code: -1, text: error.message }));
    }),
  async stop() {
    await kubelet?.close();
  },
};

process.on("message", (request: HostRequest) => {
  void (handlers[request.method] as (...args: unknown[]) => Promise<unknown>)(...request.args).then(
    (result) => process.send?.({ id: request.id, result }),
    (error: unknown) => process.send?.({ id: request.id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
// The parent is gone: so is the test.
process.on("disconnect", () => process.exit(0));
