// `lenj up`: from nothing, or from whatever a crash left, to a lab in which everything is Ready.

import { existsSync, mkdirSync, rmSync } from "node:fs";
import type { Server } from "node:net";
import { SystemClock } from "@lenj/base";
import { describeProblems, requiredPrograms, rootlessLimits } from "../core/requirements.js";
import type { ContainerRuntime, LabConfig } from "../core/topology.js";
import { ordinals } from "../core/topology.js";
import { ControlClient } from "../drivers/control-client.js";
import { type Lab, labIdentity, labPaths, readLab, writeLab } from "../drivers/lab-state.js";
import { ensureCredentials } from "../drivers/pki.js";
import { installMissing, missingPrograms } from "../drivers/programs.js";
import { enterWorld, isRoot, leaveWorld, listenLocally, probeWorld } from "../drivers/world.js";
import { ensureOwnImages } from "../images/build.js";
import { ImageStore } from "../images/image-store.js";

export interface UpOptions {
  readonly state: string;
  readonly nodes?: number;
  readonly storeReplicas?: number;
  readonly port?: number;
  readonly containerRuntime?: ContainerRuntime;
  readonly nodeMemoryBytes?: number;
  readonly nodeCpus?: number;
}

/** Brings the lab up, printing each step to standard output. Throws Error with what has to change where it cannot. */
export async function up(options: UpOptions): Promise<void> {
  const startedMs = performance.now();
  const say = (text: string): void => {
    process.stdout.write(`[${((performance.now() - startedMs) / 1000).toFixed(1).padStart(5)} s] ${text}\n`);
  };
  const existing = existsSync(`${options.state}/lab.json`) ? readLab(options.state) : undefined;
  if (existing !== undefined && (await new ControlClient(existing).isUp())) {
    say("lab is already up");
    await followStart(existing, say);
    printNextSteps(existing);
    return;
  }
  await checkMachine(say);
  if (existing !== undefined) await leaveWorld(existing);

  const { lab, listeners } = await openListeners(options, existing);
  try {
    await ensureCredentials(lab.config, lab.paths, new SystemClock().wallMs());
    writeLab(lab);
    say(existing === undefined ? "cluster CA and certificates made" : "state of an earlier start found");
    const made = await ensureOwnImages(new ImageStore(`${lab.paths.state}/registry`));
    if (made.length > 0) say(`images: ${made.join(", ")}`);
    await enterWorld(lab, listeners);
  } finally {
    for (const { server } of listeners) server.close();
  }
  await followStart(lab, say);
  printNextSteps(lab);
}

async function checkMachine(say: (text: string) => void): Promise<void> {
  let missing = missingPrograms(requiredPrograms);
  if (missing.length > 0 && isRoot()) {
    say(`installing ${[...new Set(missing.map(({ debianPackage }) => debianPackage))].join(", ")}`);
    await installMissing(missing);
    missing = missingPrograms(requiredPrograms);
  }
  const problems = describeProblems({
    isRoot: isRoot(),
    world: missing.length > 0 ? { ok: true } : await probeWorld(),
    missingPrograms: missing,
  });
  if (problems.length > 0) throw new Error(problems.join("\n"));
  if (!isRoot()) for (const limit of rootlessLimits) say(limit);
}

/** Fixes the configuration and takes the ports on 127.0.0.1: the ones of the last start, or asked for, or free ones. */
async function openListeners(
  options: UpOptions,
  existing: Lab | undefined,
): Promise<{ lab: Lab; listeners: { name: string; server: Server }[] }> {
  mkdirSync(options.state, { recursive: true, mode: 0o700 });
  const last = existing?.config;
  const storeReplicas = last?.storeReplicas ?? options.storeReplicas ?? 3;
  if (last !== undefined && options.storeReplicas !== undefined && options.storeReplicas !== last.storeReplicas) {
    throw new Error(
      `This lab was made with ${last.storeReplicas} store replicas; \`lenj down --purge\` first to make one with ${options.storeReplicas}`,
    );
  }
  const listeners: { name: string; server: Server }[] = [];
  const open = async (name: string, asked: number | undefined, preferred: number): Promise<number> => {
    const server = asked === undefined ? await listenLocally(preferred).catch(() => listenLocally(0)) : await listenLocally(asked);
    listeners.push({ name, server });
    return (server.address() as { port: number }).port;
  };
  try {
    const apiserver = await open("apiserver", options.port, last?.ports.apiserver ?? 6443);
    const grpc = await open("grpc", undefined, last?.ports.grpc ?? 0);
    const stores: number[] = [];
    for (const n of ordinals(storeReplicas)) stores.push(await open(`store-${n}`, undefined, last?.ports.stores[n - 1] ?? 0));
    const nodeMemoryBytes = options.nodeMemoryBytes ?? last?.nodeMemoryBytes;
    const nodeCPUs = options.nodeCpus ?? last?.nodeCPUs;
    const config: LabConfig = {
      id: labIdentity(options.state),
      nodes: options.nodes ?? last?.nodes ?? 3,
      storeReplicas,
      ports: { apiserver, grpc, stores },
      containerRuntime: options.containerRuntime ?? last?.containerRuntime ?? "embedded",
      ...(nodeMemoryBytes === undefined ? {} : { nodeMemoryBytes }),
      ...(nodeCPUs === undefined ? {} : { nodeCPUs }),
    };
    return { lab: { config, paths: labPaths(options.state) }, listeners };
  } catch (error) {
    for (const { server } of listeners) server.close();
    if (existing === undefined) rmSync(options.state, { recursive: true, force: true });
    throw error;
  }
}

async function followStart(lab: Lab, say: (text: string) => void): Promise<void> {
  for await (const event of new ControlClient(lab).progress()) {
    if (event.type === "step") say(event.text);
    else if (event.type === "failed") throw new Error(`The lab did not start: ${event.error}\nLogs: ${lab.paths.logs}`);
    else {
      say("lab is ready");
      return;
    }
  }
  throw new Error(`The supervisor ended while the lab was starting: see ${lab.paths.logs}/supervisor.log`);
}

function printNextSteps(lab: Lab): void {
  const relative = process.env["INIT_CWD"] ?? process.cwd();
  const kubeconfig = lab.paths.state.startsWith(`${relative}/`) ? lab.paths.state.slice(relative.length + 1) : lab.paths.state;
  process.stdout.write(`
Use it:
  export KUBECONFIG=${kubeconfig}/kubeconfig
  kubectl get nodes
  kubectl apply -f examples/deployment.yaml
  npx lenj status        processes, store roles, nodes
  npx lenj kill store-1  and watch the cluster heal
  npx lenj down          stop everything (--purge: forget everything)
`);
}
