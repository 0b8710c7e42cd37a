// A node under the CRI contract, with short ways to ask for what the cases need.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  ContainerConfig,
  type ContainerFilter,
  ContainerState,
  type ContainerStatus,
  type ExecSyncResponse,
  NamespaceMode,
  PodSandboxConfig,
  type PodSandboxStatus,
} from "@lenj/proto/cri";
import { busyboxImage, type ContractImages } from "../contract-images.js";
import { type CRIClient, call, connectCRI } from "../cri-client.js";
import { eventually, type TestNode } from "../node-harness.js";

// What fromPartial() takes; its own parameter type is generic over the exact value.
type Part<T> = T extends bigint | string | number | boolean | Uint8Array | undefined
  ? T
  : T extends (infer Item)[]
    ? Part<Item>[]
    : { [Key in keyof T]?: Part<T[Key]> };
export type ContainerPart = Part<ContainerConfig>;
export type SandboxPart = Part<PodSandboxConfig>;

export interface ContractSandbox {
  readonly id: string;
  readonly config: PodSandboxConfig;
}

export const code = { unknown: 2, invalidArgument: 3, deadlineExceeded: 4, notFound: 5 } as const;

export class ContractNode {
  client: CRIClient;
  #count = 0;

  constructor(
    readonly place: TestNode,
    readonly images: ContractImages,
  ) {
    this.client = connectCRI(place.socket);
  }

  untilReady(): Promise<unknown> {
    return eventually("a ready runtime", async () => {
      const answer = await call(this.client.runtime, this.client.runtime.status, { verbose: false }).catch(() => undefined);
      return answer?.status?.conditions.every((condition) => condition.status);
    });
  }

  /** kill -9 of the runtime, whatever `meanwhile` waits for, and its next start. */
  async restartRuntime(meanwhile: () => Promise<unknown> = async () => undefined): Promise<void> {
    await this.place.killRuntime();
    this.client.close();
    await meanwhile();
    await this.place.startRuntime();
    this.client = connectCRI(this.place.socket);
    await this.untilReady();
  }

  sandboxConfig(more: SandboxPart = {}): PodSandboxConfig {
    const name = `pod-${++this.#count}`;
    return PodSandboxConfig.fromPartial({
      metadata: { name, uid: `uid-${name}`, namespace: "contract", attempt: 0 },
      hostname: name,
      logDirectory: join(this.place.directory, "logs", name),
      linux: { cgroupParent: this.place.cgroupParent, securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } } },
      ...more,
    });
  }

  async run(more: SandboxPart = {}): Promise<ContractSandbox> {
    const config = this.sandboxConfig(more);
    const { podSandboxId } = await call(this.client.runtime, this.client.runtime.runPodSandbox, { config, runtimeHandler: "" });
    return { id: podSandboxId, config };
  }

  containerConfig(more: ContainerPart = {}): ContainerConfig {
    const name = `c-${++this.#count}`;
    return ContainerConfig.fromPartial({
      metadata: { name, attempt: 0 },
      image: { image: busyboxImage },
      logPath: `${name}.log`,
      linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } } },
      ...more,
    });
  }

  async create(sandbox: ContractSandbox, more: ContainerPart = {}): Promise<string> {
    const { containerId } = await call(this.client.runtime, this.client.runtime.createContainer, {
      podSandboxId: sandbox.id,
      config: this.containerConfig(more),
      sandboxConfig: sandbox.config,
    });
    return containerId;
  }

  async start(sandbox: ContractSandbox, command: string[], more: ContainerPart = {}): Promise<string> {
    const containerId = await this.create(sandbox, { command, ...more });
    await call(this.client.runtime, this.client.runtime.startContainer, { containerId });
    return containerId;
  }

  /** A shell script's text and exit code. */
  async output(script: string, more: ContainerPart = {}, sandbox?: ContractSandbox): Promise<{ text: string; exitCode: number }> {
    const id = await this.start(sandbox ?? (await this.run()), ["sh", "-c", script], more);
    const { exitCode } = await this.exited(id);
    return { text: textOf(await this.log(id)), exitCode };
  }

  async status(containerId: string): Promise<ContainerStatus> {
    const answer = await call(this.client.runtime, this.client.runtime.containerStatus, { containerId, verbose: false });
    return answer.status as ContainerStatus;
  }

  async sandboxStatus(podSandboxId: string): Promise<PodSandboxStatus> {
    const answer = await call(this.client.runtime, this.client.runtime.podSandboxStatus, { podSandboxId, verbose: false });
    return answer.status as PodSandboxStatus;
  }

  exited(id: string): Promise<ContainerStatus> {
    return eventually(`the end of ${id}`, async () => {
      const status = await this.status(id);
      return status.state === ContainerState.CONTAINER_EXITED ? status : undefined;
    });
  }

  /** The log file; complete once a line of the container's end is in it, so ask after its end. */
  async log(id: string): Promise<string> {
    const { logPath, state } = await this.status(id);
    if (state !== ContainerState.CONTAINER_EXITED) return readFileSync(logPath, "utf8");
    let before: string | undefined;
    // Output is written by another hand than the exit: it is all there when it no longer grows.
    return eventually("the whole log", () => {
      const now = readFileSync(logPath, "utf8");
      const isWhole = now === before && (now === "" || now.endsWith("\n"));
      before = now;
      return isWhole ? { now } : undefined;
    }).then((whole) => whole.now);
  }

  exec(containerId: string, cmd: string[], timeout = 0n): Promise<ExecSyncResponse> {
    return call(this.client.runtime, this.client.runtime.execSync, { containerId, cmd, timeout });
  }

  async list(filter: Partial<ContainerFilter> = {}): Promise<string[]> {
    const answer = await call(this.client.runtime, this.client.runtime.listContainers, {
      filter: { id: "", state: undefined, podSandboxId: "", labelSelector: {}, ...filter },
    });
    return answer.containers.map((container) => container.id).sort();
  }

  stop(containerId: string, timeout: bigint): Promise<unknown> {
    return call(this.client.runtime, this.client.runtime.stopContainer, { containerId, timeout });
  }

  /** Runs a program in the node's namespaces. */
  inNode(...command: string[]): string {
    const [program = "", ...args] = [...this.place.enter, ...command];
    return execFileSync(program, args, { encoding: "utf8" });
  }

  async removeAll(): Promise<void> {
    const { items } = await call(this.client.runtime, this.client.runtime.listPodSandbox, { filter: undefined });
    for (const { id } of items) {
      await call(this.client.runtime, this.client.runtime.stopPodSandbox, { podSandboxId: id });
      await call(this.client.runtime, this.client.runtime.removePodSandbox, { podSandboxId: id });
    }
  }

  close(): void {
    this.client.close();
  }
}

/** What was written, without the log's own fields; stdout and stderr in the order of the file. */
export function textOf(log: string): string {
  return log
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(" ").slice(3).join(" "))
    .join("\n");
}
