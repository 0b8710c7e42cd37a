// The runtime as one object: wires records, launcher, cgroups, images, sandboxes and containers; starts from what is on disk.
import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Logger } from "@lenj/base";
import { NamespaceMode } from "@lenj/proto/cri";
import { parseAddressRange } from "../core/address-pool.js";
import { RuntimeError } from "../core/errors.js";
import { assembleExec, assembleForward } from "../core/launch/exec-program.js";
import { planExecProcess } from "../core/process-plan.js";
import { findByIDPrefix, type SandboxRecord } from "../core/records.js";
import { Cgroups } from "./cgroups.js";
import { Containers } from "./containers.js";
import type { ContainerEvent, Environment } from "./environment.js";
import { ExitWatch } from "./exit-watch.js";
import { ImageStore } from "./images/image-store.js";
import { type ForegroundProgram, Launcher } from "./launcher.js";
import { containerRecords, exitsDirectory, type Layout, launcherDirectory, networkPin, sandboxRecords, shimName } from "./layout.js";
import { observeNodeRights } from "./node-facts.js";
import { containerCodec, RecordStore, sandboxCodec } from "./record-store.js";
import { Sandboxes } from "./sandboxes.js";

export interface RuntimeOptions {
  readonly layout: Layout;
  /** Registry base URLs asked before any registry. */
  readonly mirrors: readonly string[];
  /** Folder of registries' CA certificates. */
  readonly registryCertificates: string;
  /** Undefined: images belong to this node alone. */
  readonly sharedImageRoot: string | undefined;
  readonly podCIDR: string;
  readonly seccompDirectory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Runtime {
  readonly images: ImageStore;
  readonly sandboxes: Sandboxes;
  readonly containers: Containers;
  readonly cgroups: Cgroups;
  readonly environment: Environment;
  readonly #events = new EventEmitter<{ event: [ContainerEvent] }>();

  /** Recovers what an earlier run left, synchronously. */
  constructor(options: RuntimeOptions) {
    const { layout, logger } = options;
    for (const directory of [layout.root, layout.state]) mkdirSync(directory, { recursive: true, mode: 0o711 });
    const rights = observeNodeRights();
    const launcher = new Launcher(launcherDirectory(layout), rights.architecture);
    this.cgroups = new Cgroups();
    if (this.cgroups.kind === "none") logger.warn("No cgroup can be written: containers run without limits and statistics");
    this.#events.setMaxListeners(0);
    this.images = new ImageStore({
      indexDirectory: layout.root,
      storeDirectory: options.sharedImageRoot ?? join(layout.root, "images"),
      userName: createHash("sha256").update(layout.root).digest("hex").slice(0, 16),
      mirrors: options.mirrors,
      certificatesDirectory: options.registryCertificates,
      rights,
      launcher,
      logger,
    });
    this.environment = {
      layout,
      rights,
      launcher,
      cgroups: this.cgroups,
      exits: new ExitWatch(exitsDirectory(layout)),
      images: this.images,
      sandboxRecords: new RecordStore(sandboxRecords(layout), "sandbox.json", sandboxCodec),
      containerRecords: new RecordStore(containerRecords(layout), "container.json", containerCodec),
      clock: options.clock,
      logger,
      seccompDirectory: options.seccompDirectory,
      onEvent: (event) => this.#events.emit("event", event),
    };
    this.containers = new Containers(this.environment);
    this.images.isInUse = (id) => [...this.containers.records.values()].some((record) => record.imageID === id);
    this.sandboxes = new Sandboxes(this.environment, (id) => this.#onPauseExit(id));
    this.sandboxes.recover();
    this.containers.recover(this.sandboxes.records);
    this.images.collect();
    enableForwarding(logger);
    if (options.podCIDR !== "") this.setPodCIDR(options.podCIDR);
  }

  /** "10.244.1.0/24", or several with commas of which the first IPv4 range counts. */
  setPodCIDR(text: string): void {
    const range = text.split(",").find((part) => !part.includes(":"));
    if (range === undefined) throw new RuntimeError("INVALID_ARGUMENT", `invalid pod CIDR "${text}": must have an IPv4 range`);
    this.sandboxes.setAddressRange(parseAddressRange(range.trim()));
  }

  /** Calls `listener` for every change from now on; the returned function ends that. */
  onEvent(listener: (event: ContainerEvent) => void): () => void {
    this.#events.on("event", listener);
    return () => this.#events.off("event", listener);
  }

  findSandbox(id: string): SandboxRecord | undefined {
    return findByIDPrefix(this.sandboxes.records, id);
  }

  getSandbox(id: string): SandboxRecord {
    const record = this.findSandbox(id);
    if (record === undefined) throw new RuntimeError("NOT_FOUND", `an error occurred when try to find sandbox "${id}": not found`);
    return record;
  }

  async stopSandbox(id: string): Promise<void> {
    const record = this.findSandbox(id);
    if (record === undefined) return;
    await Promise.all(this.containers.inSandbox(record.id).map((container) => this.containers.stop(container.id, 0)));
    await this.sandboxes.stop(record.id);
  }

  async removeSandbox(id: string): Promise<void> {
    const record = this.findSandbox(id);
    if (record === undefined) return;
    await this.stopSandbox(record.id);
    for (const container of this.containers.inSandbox(record.id)) await this.removeContainer(container.id);
    await this.sandboxes.remove(record.id);
  }

  async removeContainer(id: string): Promise<void> {
    await this.containers.remove(id);
    this.images.collect();
  }

  /** Starts a process in a running container; its streams are the caller's to end. */
  exec(id: string, options: { argv: readonly string[]; terminal: boolean; stdin: boolean }): ForegroundProgram {
    const { record, pid, process } = this.containers.execTarget(id, this.sandboxes.records);
    return this.environment.launcher.runForeground(
      assembleExec({
        architecture: this.environment.rights.architecture,
        shimName,
        containerPID: pid,
        cgroupProcs: this.cgroups.procsFiles(record.cgroupPath),
        oomScoreAdj: Number(record.config.linux?.resources?.oomScoreAdj ?? 0n),
        terminal: options.terminal,
        stdin: options.stdin,
        process: planExecProcess(process, options.argv, options.terminal),
      }),
    );
  }

  /** Connects to a port on a pod's loopback; standard input and output are the connection. */
  forward(sandbox: SandboxRecord, port: number): ForegroundProgram {
    const usesNodeNetwork = sandbox.config.linux?.securityContext?.namespaceOptions?.network === NamespaceMode.NODE;
    const { rights, layout, launcher } = this.environment;
    return launcher.runForeground(
      assembleForward({
        architecture: rights.architecture,
        shimName,
        networkNamespace: usesNodeNetwork ? undefined : networkPin(layout, sandbox.id),
        port,
      }),
    );
  }

  /** Leaves sandboxes and containers running. */
  close(): void {
    this.environment.exits.close();
    this.containers.close();
  }

  #onPauseExit(sandboxID: string): void {
    for (const container of this.containers.inSandbox(sandboxID)) {
      this.containers
        .stop(container.id, 0)
        .catch((error: unknown) =>
          this.environment.logger.warn("Stopping a container of a dead sandbox failed", { container: container.id, error }),
        );
    }
  }
}

/** Pods reach each other through the node's routes. */
function enableForwarding(logger: Logger): void {
  try {
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
  } catch (error) {
    logger.warn("Cannot enable IP forwarding: pods reach only their node", { error });
  }
}
