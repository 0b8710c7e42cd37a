// The lab's supervisor: builds the world it runs in, keeps its processes alive, and answers the `lenj` command.
//
// Owns:  the fabric, the capsules, every process, the registry and the relays. It runs in namespaces of the lab's own;
//        when its pid namespace ends, so does all of that.
// L1. A node's processes run only while its capsule is on.
// L2. State that outlives the supervisor is under the state folder; nothing else needs to be known to start again.

import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import type { Server } from "node:net";
import type { LabStatus, NodeStatus, ProcessStatus } from "../core/control.js";
import type { StoreStatus } from "../core/store-status.js";
import {
  fabric as addresses,
  apiserverPorts,
  type Host,
  type LabConfig,
  type LabPaths,
  type ProcessSpec,
  planTopology,
  storePorts,
  type Topology,
} from "../core/topology.js";
import { Capsule } from "./capsule.js";
import { type CgroupLayout, detectCgroups } from "./cgroups.js";
import { writeContainerdConfig } from "./containerd.js";
import { Fabric } from "./fabric.js";
import { relay } from "./relay.js";
import { run } from "./run.js";
import { SupervisedProcess } from "./supervised-process.js";

const require = createRequire(import.meta.url);
const stopGraceMs = 5_000;

export class Supervisor {
  readonly #topology: Topology;
  readonly #processes = new Map<string, SupervisedProcess>();
  readonly #capsules = new Map<string, Capsule>();
  readonly #cgroups: CgroupLayout | undefined = detectCgroups();
  readonly #cuts = new Map<string, readonly [string, string]>();
  readonly #closers: (() => void | Promise<void>)[] = [];
  #fabric: Fabric | undefined;

  constructor(
    readonly config: LabConfig,
    readonly paths: LabPaths,
  ) {
    this.#topology = planTopology(config, paths);
    for (const spec of this.#topology.processes) this.#processes.set(spec.name, this.#supervised(spec));
  }

  get hasCgroups(): boolean {
    return this.#cgroups !== undefined;
  }

  get hosts(): readonly Host[] {
    return this.#topology.hosts;
  }

  /** Makes the network and powers the nodes on. */
  async buildWorld(): Promise<void> {
    // A private /run: the namespaces named in /run/netns are this lab's alone and go with it.
    await run("mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"]);
    mkdirSync("/run/netns", { recursive: true });
    await run("sh", [
      "-c",
      "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects; echo 0 > /proc/sys/net/ipv4/conf/default/send_redirects",
    ]);
    this.#fabric = await Fabric.create(this.#topology.hosts);
    await Promise.all(this.#topology.hosts.filter((host) => host.kind === "node").map((host) => this.#powerOnCapsule(host)));
  }

  /** Lets the machine in: `name` is the listener's, "apiserver", "grpc" or "store-2". */
  addRelay(name: string, server: Server): void {
    const isStore = name.startsWith("store-");
    const host = this.#host(isStore ? name : "apiserver-1");
    const port = isStore ? storePorts.client : name === "grpc" ? apiserverPorts.grpc : apiserverPorts.rest;
    this.#closers.push(relay(server, { address: host.address, port }));
  }

  addCloser(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  startAll(): void {
    for (const process of this.#processes.values()) process.start();
  }

  process(name: string): SupervisedProcess {
    const process = this.#processes.get(name);
    if (process === undefined)
      throw new UnknownNameError(`Unknown process ${JSON.stringify(name)}: must be one of ${[...this.#processes.keys()].join(", ")}`);
    return process;
  }

  async restart(name: string): Promise<void> {
    const process = this.process(name);
    await process.stop(stopGraceMs);
    process.start();
  }

  async powerOff(node: string): Promise<void> {
    const capsule = this.#capsules.get(this.#node(node).name);
    if (capsule === undefined) throw new Error(`${node} is already powered off`);
    this.#capsules.delete(node);
    const stopping = this.#processesOf(node).map((process) => process.stop(0));
    await capsule.kill();
    await Promise.all(stopping);
    await this.#fabric?.detach(node);
  }

  async powerOn(node: string): Promise<void> {
    const host = this.#node(node);
    if (this.#capsules.has(node)) throw new Error(`${node} is already powered on`);
    await this.#fabric?.attach(host);
    await this.#powerOnCapsule(host);
    for (const process of this.#processesOf(node)) process.start();
  }

  /** Cuts two hosts off from each other; with one name, that host from all others. */
  async partition(a: string, b: string | undefined): Promise<void> {
    for (const [left, right] of this.#pairs(a, b)) {
      await this.#fabric?.cut(left, right);
      this.#cuts.set(`${left} ${right}`, [left, right]);
    }
  }

  async heal(a: string | undefined, b: string | undefined): Promise<void> {
    if (a === undefined) {
      await this.#fabric?.healAll();
      this.#cuts.clear();
      return;
    }
    for (const [left, right] of this.#pairs(a, b)) {
      await this.#fabric?.heal(left, right);
      this.#cuts.delete(`${left} ${right}`);
    }
  }

  routePods(podCIDR: string, nodeAddress: string): Promise<void> {
    return this.#fabric?.routePods(podCIDR, nodeAddress) ?? Promise.resolve();
  }

  /** Pids are the supervisor's own view; the command translates them. */
  status(phase: LabStatus["phase"], stores: ReadonlyMap<string, StoreStatus>, readyNodes: ReadonlySet<string>): LabStatus {
    const commit = Math.max(0, ...[...stores.values()].map((store) => store.commit));
    const processes = this.#topology.processes.map((spec): ProcessStatus => {
      const process = this.process(spec.name);
      const { record } = process;
      return {
        name: spec.name,
        kind: spec.kind,
        state: record.phase,
        pid: process.pid() ?? null,
        restarts: record.restarts,
        ...(spec.kind === "store" ? storeFields(stores.get(spec.name), commit) : {}),
        ...(record.lastExit === undefined ? {} : { lastExit: record.lastExit }),
      };
    });
    const nodes = this.#topology.hosts
      .filter((host) => host.kind === "node")
      .map(
        (host): NodeStatus => ({
          name: host.name,
          power: this.#capsules.has(host.name) ? "on" : "off",
          ready: readyNodes.has(host.name),
          address: host.address,
        }),
      );
    return { id: this.config.id, phase, processes, nodes, cuts: [...this.#cuts.values()] };
  }

  /** Ends everything in order: nodes' agents and controllers first, the stores last. */
  async close(): Promise<void> {
    const order: readonly (readonly ProcessSpec["kind"][])[] = [
      ["kubelet", "proxy", "runtime", "dns", "scheduler", "controller-manager"],
      ["apiserver"],
      ["store"],
    ];
    for (const kinds of order) {
      const specs = this.#topology.processes.filter((spec) => kinds.includes(spec.kind));
      await Promise.all(specs.map((spec) => this.process(spec.name).stop(stopGraceMs)));
    }
    await Promise.all([...this.#capsules.values()].map((capsule) => capsule.kill()));
    this.#capsules.clear();
    for (const close of this.#closers.reverse()) await close();
  }

  async #powerOnCapsule(host: Host): Promise<void> {
    const folder = `${this.paths.hosts}/${host.name}`;
    const limits = {
      ...(this.config.nodeMemoryBytes === undefined ? {} : { memoryBytes: this.config.nodeMemoryBytes }),
      ...(this.config.nodeCPUs === undefined ? {} : { cpus: this.config.nodeCPUs }),
    };
    for (const name of ["runtime", "kubelet", "manifests", "log/pods"]) mkdirSync(`${folder}/${name}`, { recursive: true });
    if (this.config.containerRuntime === "containerd")
      writeContainerdConfig(folder, `http://${addresses.address}:${addresses.registryPort}`);
    const capsule = await Capsule.start({ labID: this.config.id, host, folder, cgroups: this.#cgroups, limits });
    this.#capsules.set(host.name, capsule);
  }

  #supervised(spec: ProcessSpec): SupervisedProcess {
    return new SupervisedProcess({
      spec,
      logFile: logFileOf(this.paths, spec.name),
      command: () => this.#command(spec),
      onChange: () => {},
    });
  }

  #command(spec: ProcessSpec): { program: string; args: string[]; env: NodeJS.ProcessEnv; entersPidNamespace: boolean } {
    const program = spec.program ?? process.execPath;
    const args = spec.program === undefined ? [...nodeFlags, require.resolve(`@lenj/${spec.kind}/main`), ...spec.args] : [...spec.args];
    const env = { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", TZ: process.env["TZ"] ?? "UTC" };
    const host = this.#host(spec.host);
    if (host.kind === "control-plane") {
      return { program: "nsenter", args: [`--net=/run/netns/${host.name}`, "--", program, ...args], env, entersPidNamespace: false };
    }
    const capsule = this.#capsules.get(host.name);
    if (capsule === undefined) throw new Error(`Cannot start ${spec.name}: ${host.name} is powered off`);
    return { ...capsule.command(program, args), env, entersPidNamespace: true };
  }

  #processesOf(node: string): SupervisedProcess[] {
    return this.#topology.processes.filter((spec) => spec.host === node).map((spec) => this.process(spec.name));
  }

  #host(name: string): Host {
    const host = this.#topology.hosts.find((candidate) => candidate.name === name);
    if (host === undefined)
      throw new UnknownNameError(
        `Unknown host ${JSON.stringify(name)}: must be one of ${this.#topology.hosts.map((candidate) => candidate.name).join(", ")}`,
      );
    return host;
  }

  #node(name: string): Host {
    const host = this.#host(name);
    if (host.kind !== "node") throw new UnknownNameError(`${name} is not a node`);
    return host;
  }

  /** Cuts go both ways, so a pair has one canonical order. */
  #pairs(a: string, b: string | undefined): (readonly [string, string])[] {
    const others = b === undefined ? this.#topology.hosts.filter((host) => host.name !== a).map((host) => host.name) : [this.#host(b).name];
    const left = this.#host(a).name;
    return others.map((right) => (left < right ? ([left, right] as const) : ([right, left] as const)));
  }
}

/** Small young generation: 16 mostly idle processes share a laptop. */
const nodeFlags = ["--max-semi-space-size=2", "--enable-source-maps"];

export class UnknownNameError extends Error {
  override readonly name = "UnknownNameError";
}

export function logFileOf(paths: LabPaths, processName: string): string {
  return `${paths.logs}/${processName.replaceAll("/", "_")}.log`;
}

function storeFields(store: StoreStatus | undefined, commit: number): Pick<ProcessStatus, "role" | "store"> {
  return store === undefined ? { role: "unknown" } : { role: store.role, store: { ...store, lag: Math.max(0, commit - store.applied) } };
}
