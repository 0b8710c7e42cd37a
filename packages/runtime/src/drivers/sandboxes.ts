// Pod sandboxes: namespaces, address and pause process of every pod.
//
// Owns:  sandbox records, addresses, network pins, pause processes and their shims.
// Not:   containers in them (containers.ts).
// S1. The record is on disk, as not ready, before anything else of a sandbox exists, and says ready only when all of it does.
// S2. stop() gives back everything but the record and may find any part of it gone already.
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { hostname as nodeHostname } from "node:os";
import { NamespaceMode, type PodSandboxConfig } from "@lenj/proto/cri";
import { AddressPool, type AddressRange, formatIP, parseIP } from "../core/address-pool.js";
import { RuntimeError } from "../core/errors.js";
import { assembleSandbox, assembleTeardown, type PodNetwork } from "../core/launch/sandbox-program.js";
import { type SandboxRecord, sandboxName } from "../core/records.js";
import { type Environment, nowNanoseconds } from "./environment.js";
import { KeyedLock } from "./keyed-lock.js";
import { exitDraft, networkPin, networkPinsDirectory, pidFile, runDirectory, sharedMemory, shimName } from "./layout.js";
import { writeSandboxFiles } from "./sandbox-files.js";
import { findShimmed, signalShimmed } from "./shim-processes.js";

const sharedMemoryBytes = 64 * 1024 * 1024;
/** Host ends of pods' links get interface indexes from here on: the last part is the pod's address. */
const linkIndexBase = 0x100000;
const podMTUBytes = 1500;
const defaultCgroupParent = "/lenj.dev";
/** As sandboxes of upstream's kubelet: the pause process goes last. */
const pauseOomScore = -998;

export class Sandboxes {
  readonly records = new Map<string, SandboxRecord>();
  readonly #names = new Map<string, string>();
  readonly #lock = new KeyedLock();
  #addresses: AddressPool | undefined;

  constructor(
    private readonly environment: Environment,
    private readonly onPauseExit: (sandboxID: string) => void,
  ) {}

  /** Sets the range that pods of this node get addresses from. Sandboxes that are there keep theirs. */
  setAddressRange(range: AddressRange): void {
    const pool = new AddressPool(range);
    for (const record of this.records.values()) if (record.ip !== "") pool.adopt(record.id, parseIP(record.ip));
    this.#addresses = pool;
  }

  get hasAddresses(): boolean {
    return this.#addresses !== undefined;
  }

  /** Finds what an earlier run left. Pause processes that are alive are taken over. */
  recover(): void {
    const { sandboxRecords, logger } = this.environment;
    for (const record of sandboxRecords.load((id) => logger.warn("Removed sandbox without record", { sandbox: id }))) {
      this.#names.set(sandboxName(record.config), record.id);
      const alive = findShimmed(pidFile(this.environment.layout, record.id));
      if (record.state.name === "ready" && alive !== undefined) {
        this.records.set(record.id, { ...record, state: { name: "ready", ...alive } });
        this.#watch(record.id, alive.shimPID);
      } else {
        this.#save({ ...record, state: { name: "notReady" } });
      }
    }
  }

  /** Throws RuntimeError NOT_FOUND, in containerd's words. */
  get(id: string): SandboxRecord {
    const record = this.records.get(id);
    if (record === undefined) throw new RuntimeError("NOT_FOUND", `an error occurred when try to find sandbox: not found`);
    return record;
  }

  async run(config: PodSandboxConfig, runtimeHandler: string): Promise<string> {
    validateConfig(config);
    const id = randomBytes(32).toString("hex");
    const name = sandboxName(config);
    const holder = this.#names.get(name);
    if (holder !== undefined)
      throw new RuntimeError("UNKNOWN", `failed to reserve sandbox name "${name}": name "${name}" is reserved for "${holder}"`);
    this.#names.set(name, id);
    try {
      await this.#lock.run(id, () => this.#create(id, config, runtimeHandler));
    } catch (error) {
      await this.#release(id);
      this.#forget(id, name);
      throw error instanceof RuntimeError
        ? error
        : new RuntimeError("UNKNOWN", `failed to create sandbox: ${(error as Error).message}`, { cause: error });
    }
    const at = nowNanoseconds(this.environment);
    this.environment.onEvent({ kind: "created", id, sandboxID: id, at });
    this.environment.onEvent({ kind: "started", id, sandboxID: id, at });
    return id;
  }

  async #create(id: string, config: PodSandboxConfig, runtimeHandler: string): Promise<void> {
    const { layout, cgroups, launcher, sandboxRecords } = this.environment;
    const usesNodeNetwork = config.linux?.securityContext?.namespaceOptions?.network === NamespaceMode.NODE;
    const network = usesNodeNetwork ? undefined : this.#attach(id);
    const hostname = usesNodeNetwork ? nodeHostname() : config.hostname || id.slice(0, 12);
    const parent = config.linux?.cgroupParent || defaultCgroupParent;
    const record: SandboxRecord = {
      id,
      config,
      runtimeHandler,
      createdAt: nowNanoseconds(this.environment),
      ip: network === undefined ? "" : formatIP(network.podIP),
      cgroupPath: `${parent}/${id}`,
      state: { name: "notReady" },
    };
    this.#save(record);
    writeSandboxFiles(sandboxRecords.directoryOf(id), { hostname, dns: config.dnsConfig });
    mkdirSync(runDirectory(layout, id), { recursive: true, mode: 0o711 });
    mkdirSync(networkPinsDirectory(layout), { recursive: true });
    cgroups.create(record.cgroupPath);
    cgroups.applyLimits(record.cgroupPath, config.linux?.overhead);
    const program = assembleSandbox(this.#plan(record, hostname, network));
    const shim = await launcher.startShim(program);
    this.#save({ ...record, state: { name: "ready", pid: shim.pid, shimPID: shim.shimPID } });
    this.#watch(id, shim.shimPID);
    void shim.shimExited.then(() => this.environment.exits.shimEnded(id));
  }

  #plan(record: SandboxRecord, hostname: string, network: PodNetwork | undefined): Parameters<typeof assembleSandbox>[0] {
    const { layout, cgroups, rights, exits } = this.environment;
    const { id, config } = record;
    const namespaces = config.linux?.securityContext?.namespaceOptions;
    const ownIPC = namespaces?.ipc !== NamespaceMode.NODE;
    if (ownIPC) mkdirSync(sharedMemory(layout, id), { recursive: true });
    return {
      architecture: rights.architecture,
      shimName,
      pidFile: pidFile(layout, id),
      exitFile: exits.fileOf(id),
      exitDraft: exitDraft(layout, id),
      network,
      networkPin: networkPin(layout, id),
      newUtsNamespace: network !== undefined,
      newIpcNamespace: ownIPC,
      newPidNamespace: namespaces?.pid !== NamespaceMode.NODE,
      hostname,
      sharedMemory: ownIPC ? { directory: sharedMemory(layout, id), sizeBytes: sharedMemoryBytes } : undefined,
      sysctls: Object.entries(config.linux?.sysctls ?? {}).map(([name, value]) => ({ path: name.replaceAll(".", "/"), value })),
      cgroupProcs: cgroups.procsFiles(record.cgroupPath),
      oomScoreAdj: pauseOomScore,
    };
  }

  #attach(id: string): PodNetwork {
    const pool = this.#addresses;
    if (pool === undefined) throw new RuntimeError("UNKNOWN", `failed to setup network for sandbox "${id}": cni plugin not initialized`);
    const { ip, offset } = pool.allocate(id);
    return { hostName: linkName(id), hostIndex: linkIndexBase + offset, podIP: ip, gateway: pool.gateway, mtuBytes: podMTUBytes };
  }

  /** Ends the pause process and gives back network, mounts and cgroup. Idempotent. */
  async stop(id: string): Promise<void> {
    await this.#lock.run(id, () => this.#release(id));
    const record = this.records.get(id);
    if (record === undefined) return;
    const wasReady = record.state.name === "ready";
    this.#save({ ...record, ip: "", state: { name: "notReady" } });
    if (wasReady) this.environment.onEvent({ kind: "stopped", id, sandboxID: id, at: nowNanoseconds(this.environment) });
  }

  async remove(id: string): Promise<void> {
    const record = this.records.get(id);
    if (record === undefined) return;
    await this.stop(id);
    this.#forget(id, sandboxName(record.config));
    this.environment.onEvent({ kind: "deleted", id, sandboxID: id, at: nowNanoseconds(this.environment) });
  }

  async #release(id: string): Promise<void> {
    const { layout, cgroups, launcher, exits, rights } = this.environment;
    exits.forget(id);
    const shimmed = findShimmed(pidFile(layout, id));
    if (shimmed !== undefined) signalShimmed(shimmed, 9);
    const record = this.records.get(id);
    if (record !== undefined) await cgroups.remove(record.cgroupPath);
    await launcher.runToEnd(
      assembleTeardown({
        architecture: rights.architecture,
        links: [linkName(id)],
        mountPoints: [networkPin(layout, id), sharedMemory(layout, id)],
      }),
    );
    rmSync(networkPin(layout, id), { force: true });
    rmSync(runDirectory(layout, id), { recursive: true, force: true });
    rmSync(exits.fileOf(id), { force: true });
    this.#addresses?.release(id);
  }

  #watch(id: string, shimPID: number): void {
    this.environment.exits.watch(id, {
      shimPID,
      onExit: () => {
        const record = this.records.get(id);
        if (record === undefined || record.state.name === "notReady") return;
        this.environment.logger.warn("Pause process ended", { sandbox: id });
        this.#save({ ...record, state: { name: "notReady" } });
        this.environment.onEvent({ kind: "stopped", id, sandboxID: id, at: nowNanoseconds(this.environment) });
        this.onPauseExit(id);
      },
    });
  }

  #save(record: SandboxRecord): void {
    this.environment.sandboxRecords.write(record);
    this.records.set(record.id, record);
  }

  #forget(id: string, name: string): void {
    this.environment.sandboxRecords.remove(id);
    this.records.delete(id);
    if (this.#names.get(name) === id) this.#names.delete(name);
  }
}

function linkName(id: string): string {
  return `veth${id.slice(0, 10)}`;
}

function validateConfig(config: PodSandboxConfig): void {
  if (config.metadata === undefined || config.metadata.name === "")
    throw new RuntimeError("INVALID_ARGUMENT", "sandbox config must include metadata");
  const namespaces = config.linux?.securityContext?.namespaceOptions;
  if (namespaces?.usernsOptions?.mode === NamespaceMode.POD)
    throw new RuntimeError("INVALID_ARGUMENT", "user namespaces are not supported by this runtime");
  for (const name of Object.keys(config.linux?.sysctls ?? {})) {
    if (!/^[a-zA-Z0-9_./-]+$/.test(name) || name.includes(".."))
      throw new RuntimeError("INVALID_ARGUMENT", `invalid sysctl name "${name}"`);
  }
}
