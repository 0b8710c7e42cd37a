// Containers: their records, processes, output and ends.
//
// Owns:  container records, shims of containers, output of running ones.
// Not:   the sandbox they are in (sandboxes.ts), images (images/).
// K1. A record says running before the caller hears of it, and exited only after the output was read to its end.
// K2. Operations on one container run one after another (lock); an exit is noted whenever it comes.
// K3. Whatever a killed runtime left half-done is finished by recover(): a started shim is taken over, an exit file counted.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ContainerConfig, type LinuxContainerResources, NamespaceMode, Signal } from "@lenj/proto/cri";
import { RuntimeError } from "../core/errors.js";
import { assembleContainer } from "../core/launch/container-program.js";
import type { ProcessSpec } from "../core/launch/process-steps.js";
import {
  type ContainerRecord,
  containerExited,
  containerLost,
  containerName,
  containerStarted,
  containerStartFailed,
  findByIDPrefix,
  type SandboxRecord,
} from "../core/records.js";
import { parseSignal, sigkill, signalFromCRI, sigterm } from "../core/stop-signal.js";
import { describeLaunch, describeProcess, observeDevices } from "./container-launch.js";
import { ContainerOutput } from "./container-output.js";
import { type ContainerEventKind, type Environment, nowNanoseconds } from "./environment.js";
import type { ObservedExit } from "./exit-watch.js";
import { KeyedLock } from "./keyed-lock.js";
import { LaunchError } from "./launcher.js";
import { pidFile, pipe, runDirectory } from "./layout.js";
import { findShimmed, signalShimmed } from "./shim-processes.js";

interface Running {
  readonly output: ContainerOutput;
  readonly exited: Promise<void>;
  readonly settle: () => void;
}

/** How long output may take to arrive after the process has ended. */
const drainTimeoutMs = 10_000;
/** A process that SIGKILL does not end within this is stuck in the kernel. */
const killTimeoutMs = 30_000;

export class Containers {
  readonly records = new Map<string, ContainerRecord>();
  readonly #names = new Map<string, string>();
  readonly #running = new Map<string, Running>();
  readonly #lock = new KeyedLock();

  constructor(private readonly environment: Environment) {}

  /** The record whose ID is or starts with `id`. Throws RuntimeError NOT_FOUND. */
  get(id: string): ContainerRecord {
    const record = findByIDPrefix(this.records, id);
    if (record === undefined) throw new RuntimeError("NOT_FOUND", `an error occurred when try to find container "${id}": not found`);
    return record;
  }

  inSandbox(sandboxID: string): ContainerRecord[] {
    return [...this.records.values()].filter((record) => record.sandboxID === sandboxID);
  }

  /** Output of a running container; undefined once it has ended. */
  outputOf(id: string): ContainerOutput | undefined {
    return this.#running.get(id)?.output;
  }

  recover(sandboxes: ReadonlyMap<string, SandboxRecord>): void {
    const { containerRecords, logger } = this.environment;
    for (const record of containerRecords.load((id) => logger.warn("Removed container without record", { container: id }))) {
      const sandbox = sandboxes.get(record.sandboxID);
      if (sandbox === undefined) {
        containerRecords.remove(record.id);
        continue;
      }
      this.#names.set(containerName(record.config, sandbox.config), record.id);
      this.#recoverOne(record);
    }
  }

  #recoverOne(record: ContainerRecord): void {
    const { layout, exits } = this.environment;
    this.records.set(record.id, record);
    if (record.state.name === "exited") return;
    const file = pidFile(layout, record.id);
    if (record.state.name === "created" && !existsSync(file)) return;
    const shimmed = findShimmed(file);
    const hasExited = existsSync(exits.fileOf(record.id));
    if (shimmed === undefined && !hasExited) {
      this.#save(containerLost(record, nowNanoseconds(this.environment)));
      return;
    }
    // A runtime that was killed between the shim's start and the record's: the pid file's time is the start.
    const started =
      record.state.name === "running"
        ? record
        : containerStarted(record, { startedAt: BigInt(Math.round(statSync(file).mtimeMs * 1e6)), ...(shimmed ?? { pid: 0, shimPID: 0 }) });
    this.#save(started);
    this.#follow(started, shimmed?.shimPID ?? (started.state.name === "running" ? started.state.shimPID : 0));
  }

  async create(sandbox: SandboxRecord, config: ContainerConfig): Promise<string> {
    if (config.metadata === undefined) throw new RuntimeError("INVALID_ARGUMENT", "container config must include metadata");
    if (sandbox.state.name !== "ready")
      throw new RuntimeError("NOT_FOUND", `failed to get sandbox container task: no running task found: task ${sandbox.id} not found`);
    const id = randomBytes(32).toString("hex");
    const name = containerName(config, sandbox.config);
    const holder = this.#names.get(name);
    if (holder !== undefined)
      throw new RuntimeError("UNKNOWN", `failed to reserve container name "${name}": name "${name}" is reserved for "${holder}"`);
    const image = this.environment.images.find(config.image?.image ?? "");
    if (image === undefined) throw new RuntimeError("NOT_FOUND", `failed to resolve image "${config.image?.image ?? ""}": not found`);
    // Fails here, not at start, for what can be known now.
    const process_ = describeProcess(this.environment, config, sandbox, image);
    const stopSignal = signalFromCRI(Signal[config.stopSignal] ?? "") ?? parseSignal(image.config.StopSignal ?? "") ?? sigterm;
    const parent = sandbox.config.linux?.cgroupParent || "/lenj.dev";
    this.#names.set(name, id);
    this.#save({
      id,
      sandboxID: sandbox.id,
      config,
      imageID: image.id,
      imageRef: image.repoDigests[0] ?? image.id,
      createdAt: nowNanoseconds(this.environment),
      logPath: config.logPath === "" || sandbox.config.logDirectory === "" ? "" : join(sandbox.config.logDirectory, config.logPath),
      cgroupPath: `${parent}/${id}`,
      stopSignal,
      user: { uid: process_.uid, gid: process_.gid, groups: process_.groups },
      state: { name: "created" },
    });
    this.#emit("created", id, sandbox.id);
    return id;
  }

  start(id: string, sandbox: SandboxRecord): Promise<void> {
    const { id: fullID } = this.get(id);
    return this.#lock.run(fullID, () => this.#start(this.get(fullID), sandbox));
  }

  async #start(record: ContainerRecord, sandbox: SandboxRecord): Promise<void> {
    const { environment } = this;
    if (record.state.name !== "created")
      throw new RuntimeError("UNKNOWN", `container "${record.id}" is in CONTAINER_${record.state.name.toUpperCase()} state`);
    if (sandbox.state.name !== "ready") throw new RuntimeError("UNKNOWN", `sandbox container "${sandbox.id}" is not running`);
    const image = environment.images.find(record.imageID);
    if (image === undefined) throw new RuntimeError("NOT_FOUND", `failed to get image "${record.imageID}": not found`);
    try {
      mkdirSync(runDirectory(environment.layout, record.id), { recursive: true, mode: 0o711 });
      environment.cgroups.create(record.cgroupPath);
      environment.cgroups.applyLimits(record.cgroupPath, record.config.linux?.resources);
      if (record.config.linux?.securityContext?.privileged !== true)
        environment.cgroups.applyDeviceRules(record.cgroupPath, observeDevices(record.config));
      const launch = describeLaunch(environment, record, sandbox, image, this.#targetPID(record));
      const startedAt = nowNanoseconds(environment);
      const shim = await environment.launcher.startShim(assembleContainer(launch));
      const started = containerStarted(record, { startedAt, pid: shim.pid, shimPID: shim.shimPID });
      this.#save(started);
      this.#follow(started, shim.shimPID);
      void shim.shimExited.then(() => environment.exits.shimEnded(record.id));
      this.#emit("started", record.id, record.sandboxID);
    } catch (error) {
      const message = describeStartError(error, record.config);
      this.#save(containerStartFailed(record, nowNanoseconds(environment), message));
      await this.#cleanUp(record);
      this.#emit("stopped", record.id, record.sandboxID);
      throw new RuntimeError("UNKNOWN", message, { cause: error });
    }
  }

  #targetPID(record: ContainerRecord): number | undefined {
    const options = record.config.linux?.securityContext?.namespaceOptions;
    if (options?.pid !== NamespaceMode.TARGET) return undefined;
    const target = findByIDPrefix(this.records, options.targetId);
    return target?.state.name === "running" ? target.state.pid : undefined;
  }

  /** Attaches to a started shim: reads its output, waits for its end. */
  #follow(record: ContainerRecord, shimPID: number): void {
    const { layout, logger, exits } = this.environment;
    const { id, config } = record;
    const output = new ContainerOutput({
      logPath: record.logPath,
      stdoutPipe: pipe(layout, id, "stdout"),
      stderrPipe: config.tty ? undefined : pipe(layout, id, "stderr"),
      logger: logger.child({ container: id }),
      now: () => nowNanoseconds(this.environment),
    });
    let settle = (): void => {};
    const exited = new Promise<void>((resolve) => {
      settle = resolve;
    });
    this.#running.set(id, { output, exited, settle });
    exits.watch(id, {
      shimPID,
      onExit: (exit) => {
        this.#onExit(id, exit).catch((error: unknown) => logger.error("Recording a container's exit failed", { container: id, error }));
      },
    });
  }

  async #onExit(id: string, exit: ObservedExit | undefined): Promise<void> {
    const record = this.records.get(id);
    const running = this.#running.get(id);
    if (record === undefined || running === undefined || record.state.name !== "running") return;
    const oomKilled = this.environment.cgroups.oomKills(record.cgroupPath) > 0n;
    // What shares the sandbox's pid namespace outlives the first process, and would hold the output open.
    await this.environment.cgroups.killAll(record.cgroupPath);
    await Promise.race([running.output.drained, sleep(drainTimeoutMs, undefined, { ref: false })]);
    running.output.close();
    this.#save(
      exit === undefined ? containerLost(record, nowNanoseconds(this.environment)) : containerExited(record, { ...exit, oomKilled }),
    );
    this.#running.delete(id);
    await this.#cleanUp(record);
    running.settle();
    this.#emit("stopped", id, record.sandboxID);
  }

  async #cleanUp(record: ContainerRecord): Promise<void> {
    await this.environment.cgroups.remove(record.cgroupPath);
    rmSync(runDirectory(this.environment.layout, record.id), { recursive: true, force: true });
    rmSync(this.environment.exits.fileOf(record.id), { force: true });
  }

  /** Stop signal, up to `timeoutMs` of grace, SIGKILL. Idempotent; NOT_FOUND is for the caller to tell. */
  async stop(id: string, timeoutMs: number): Promise<void> {
    const record = this.get(id);
    const running = this.#running.get(record.id);
    if (record.state.name !== "running" || running === undefined) return;
    if (timeoutMs > 0) {
      this.#signal(record, record.stopSignal);
      if (await settlesWithin(running.exited, timeoutMs)) return;
    }
    this.#signal(record, sigkill);
    if (record.config.linux?.securityContext?.namespaceOptions?.pid !== NamespaceMode.CONTAINER)
      await this.environment.cgroups.killAll(record.cgroupPath);
    if (await settlesWithin(running.exited, killTimeoutMs)) return;
    throw new RuntimeError("DEADLINE_EXCEEDED", `failed to kill container "${record.id}": context deadline exceeded`);
  }

  async remove(id: string): Promise<void> {
    const record = findByIDPrefix(this.records, id);
    if (record === undefined) return;
    await this.stop(record.id, 0);
    await this.#lock.run(record.id, async () => {
      if (!this.records.has(record.id)) return;
      await this.#cleanUp(record);
      this.environment.containerRecords.remove(record.id);
      this.records.delete(record.id);
      for (const [name, holder] of this.#names) if (holder === record.id) this.#names.delete(name);
      this.#emit("deleted", record.id, record.sandboxID);
    });
  }

  /** Changes limits of a created or running container. Fields that are 0 stay as they are. */
  updateResources(id: string, resources: LinuxContainerResources): void {
    const record = this.get(id);
    if (record.state.name === "exited")
      throw new RuntimeError("UNKNOWN", `failed to update container "${record.id}": container is in CONTAINER_EXITED state`);
    if (record.state.name === "running") this.environment.cgroups.applyLimits(record.cgroupPath, resources);
    const linux = record.config.linux ?? { resources: undefined, securityContext: undefined };
    this.#save({ ...record, config: { ...record.config, linux: { ...linux, resources: mergeResources(linux.resources, resources) } } });
  }

  reopenLog(id: string): void {
    const record = this.get(id);
    if (record.state.name !== "running") throw new RuntimeError("UNKNOWN", "container is not running");
    this.#running.get(record.id)?.output.reopenLog();
  }

  /** A running container with what exec needs. Throws RuntimeError when it is not running. */
  execTarget(id: string, sandboxes: ReadonlyMap<string, SandboxRecord>): { record: ContainerRecord; pid: number; process: ProcessSpec } {
    const record = this.get(id);
    const sandbox = sandboxes.get(record.sandboxID);
    const image = this.environment.images.find(record.imageID);
    if (record.state.name !== "running" || sandbox === undefined)
      throw new RuntimeError("UNKNOWN", `failed to exec in container: container is in CONTAINER_${record.state.name.toUpperCase()} state`);
    if (image === undefined) throw new RuntimeError("NOT_FOUND", `failed to get image "${record.imageID}": not found`);
    return { record, pid: record.state.pid, process: describeProcess(this.environment, record.config, sandbox, image) };
  }

  /** Lets go of output pipes without touching containers; they are found again by recover(). */
  close(): void {
    for (const { output } of this.#running.values()) output.close();
  }

  #signal(record: ContainerRecord, signal: number): void {
    if (record.state.name !== "running") return;
    const shimmed = findShimmed(pidFile(this.environment.layout, record.id));
    if (shimmed !== undefined) signalShimmed(shimmed, signal);
  }

  #save(record: ContainerRecord): void {
    this.environment.containerRecords.write(record);
    this.records.set(record.id, record);
  }

  #emit(kind: ContainerEventKind, id: string, sandboxID: string): void {
    this.environment.onEvent({ kind, id, sandboxID, at: nowNanoseconds(this.environment) });
  }
}

async function settlesWithin(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  const abort = new AbortController();
  const timer = sleep(timeoutMs, false, { signal: abort.signal }).catch(() => false);
  const settled = await Promise.race([promise.then(() => true), timer]);
  abort.abort();
  return settled;
}

/** In the words that kubectl users know from containerd and runc. */
function describeStartError(error: unknown, config: ContainerConfig): string {
  const prefix =
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process";
  if (error instanceof LaunchError && error.call.startsWith("execve")) {
    const command = config.command[0] ?? config.args[0] ?? error.call.slice("execve ".length);
    return `${prefix}: ${describeExecError(command, error)}: unknown`;
  }
  if (error instanceof LaunchError && error.call.startsWith("chdir"))
    return `${prefix}: error during container init: ${error.message}: unknown`;
  return error instanceof LaunchError ? `${prefix}: error during container init: ${error.message}: unknown` : (error as Error).message;
}

/** Text for an execve that failed. Upstream: Go's os/exec errors as runc shows them. */
export function describeExecError(command: string, error: LaunchError): string {
  const reason = error.message.slice(error.message.lastIndexOf(": ") + 2);
  if (error.errno === 2 && !command.includes("/")) return `exec: ${JSON.stringify(command)}: executable file not found in $PATH`;
  return error.errno === 8 ? `exec ${command}: ${reason}` : `exec: ${JSON.stringify(command)}: stat ${command}: ${reason}`;
}

function mergeResources(current: LinuxContainerResources | undefined, update: LinuxContainerResources): LinuxContainerResources {
  if (current === undefined) return update;
  const pick = (next: bigint, previous: bigint): bigint => (next === 0n ? previous : next);
  return {
    cpuPeriod: pick(update.cpuPeriod, current.cpuPeriod),
    cpuQuota: pick(update.cpuQuota, current.cpuQuota),
    cpuShares: pick(update.cpuShares, current.cpuShares),
    memoryLimitInBytes: pick(update.memoryLimitInBytes, current.memoryLimitInBytes),
    oomScoreAdj: current.oomScoreAdj,
    cpusetCpus: update.cpusetCpus || current.cpusetCpus,
    cpusetMems: update.cpusetMems || current.cpusetMems,
    hugepageLimits: update.hugepageLimits.length > 0 ? update.hugepageLimits : current.hugepageLimits,
    unified: { ...current.unified, ...update.unified },
    memorySwapLimitInBytes: pick(update.memorySwapLimitInBytes, current.memorySwapLimitInBytes),
  };
}
