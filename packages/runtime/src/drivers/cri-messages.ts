// Records in the words of the Container Runtime Interface.
import {
  type Container,
  ContainerState,
  type ContainerStats,
  type ContainerStatus,
  type Image,
  type LinuxPodSandboxStats,
  type PodSandbox,
  PodSandboxState,
  type PodSandboxStats,
  type PodSandboxStatus,
  type PsiStats,
  Signal,
} from "@lenj/proto/cri";
import type { ContainerRecord, SandboxRecord } from "../core/records.js";
import { signalToCRI } from "../core/stop-signal.js";
import type { CgroupUsage } from "./cgroups.js";
import type { StoredImage } from "./images/image-store.js";

const states = {
  created: ContainerState.CONTAINER_CREATED,
  running: ContainerState.CONTAINER_RUNNING,
  exited: ContainerState.CONTAINER_EXITED,
} as const;

export function containerState(record: ContainerRecord): ContainerState {
  return states[record.state.name];
}

export function sandboxState(record: SandboxRecord): PodSandboxState {
  return record.state.name === "ready" ? PodSandboxState.SANDBOX_READY : PodSandboxState.SANDBOX_NOTREADY;
}

export function describeContainer(record: ContainerRecord): Container {
  const { config } = record;
  return {
    id: record.id,
    podSandboxId: record.sandboxID,
    metadata: config.metadata,
    image: config.image,
    imageRef: record.imageRef,
    state: containerState(record),
    createdAt: record.createdAt,
    labels: config.labels,
    annotations: config.annotations,
    imageId: record.imageID,
  };
}

export function describeContainerStatus(record: ContainerRecord): ContainerStatus {
  const { config, state, user } = record;
  const exit = state.name === "exited" ? state : { finishedAt: 0n, exitCode: 0, reason: "", message: "" };
  return {
    id: record.id,
    metadata: config.metadata,
    state: containerState(record),
    createdAt: record.createdAt,
    startedAt: state.name === "created" ? 0n : state.startedAt,
    finishedAt: exit.finishedAt,
    exitCode: exit.exitCode,
    image: config.image,
    imageRef: record.imageRef,
    reason: exit.reason,
    message: exit.message,
    labels: config.labels,
    annotations: config.annotations,
    mounts: config.mounts,
    logPath: record.logPath,
    resources: { linux: config.linux?.resources, windows: undefined },
    imageId: record.imageID,
    user: { linux: { uid: BigInt(user.uid), gid: BigInt(user.gid), supplementalGroups: user.groups.map(BigInt) } },
    stopSignal: Signal[signalToCRI(record.stopSignal) as keyof typeof Signal] ?? Signal.RUNTIME_DEFAULT,
  };
}

export function describeSandbox(record: SandboxRecord): PodSandbox {
  const { config } = record;
  return {
    id: record.id,
    metadata: config.metadata,
    state: sandboxState(record),
    createdAt: record.createdAt,
    labels: config.labels,
    annotations: config.annotations,
    runtimeHandler: record.runtimeHandler,
  };
}

export function describeSandboxStatus(record: SandboxRecord): PodSandboxStatus {
  const { config } = record;
  return {
    ...describeSandbox(record),
    network: { ip: record.ip, additionalIps: [] },
    linux: { namespaces: { options: config.linux?.securityContext?.namespaceOptions } },
  };
}

export function describeImage(image: StoredImage): Image {
  const user = (image.config.User ?? "").split(":")[0] ?? "";
  const isNumber = /^\d+$/.test(user);
  return {
    id: image.id,
    repoTags: [...image.repoTags],
    repoDigests: [...image.repoDigests],
    size: BigInt(image.sizeBytes),
    uid: isNumber ? { value: BigInt(user) } : user === "" ? { value: 0n } : undefined,
    username: isNumber ? "" : user,
    spec: { image: image.id, annotations: {}, userSpecifiedImage: "", runtimeHandler: "" },
    pinned: false,
  };
}

const value = (number: bigint): { value: bigint } => ({ value: number });

function describePressure(pressure: CgroupUsage["cpuPressure"]): PsiStats | undefined {
  if (pressure === undefined) return undefined;
  const line = (one: {
    avg10: number;
    avg60: number;
    avg300: number;
    total: bigint;
  }): { Total: bigint; Avg10: number; Avg60: number; Avg300: number } => ({
    Total: one.total,
    Avg10: one.avg10,
    Avg60: one.avg60,
    Avg300: one.avg300,
  });
  return { Full: line(pressure.full), Some: line(pressure.some) };
}

export interface MeasuredUsage {
  readonly usage: CgroupUsage;
  readonly nanoCores: bigint;
  readonly timestamp: bigint;
}

function cpuAndMemory({ usage, nanoCores, timestamp }: MeasuredUsage): Pick<LinuxPodSandboxStats, "cpu" | "memory" | "io"> {
  return {
    cpu: {
      timestamp,
      usageCoreNanoSeconds: value(usage.cpuNanoseconds),
      usageNanoCores: value(nanoCores),
      psi: describePressure(usage.cpuPressure),
    },
    memory: {
      timestamp,
      workingSetBytes: value(usage.workingSet),
      availableBytes: value(usage.memoryLimit > usage.workingSet ? usage.memoryLimit - usage.workingSet : 0n),
      usageBytes: value(usage.memoryUsage),
      rssBytes: value(usage.rss),
      pageFaults: value(usage.pageFaults),
      majorPageFaults: value(usage.majorPageFaults),
      psi: describePressure(usage.memoryPressure),
    },
    io: { timestamp, psi: describePressure(usage.ioPressure) },
  };
}

export function describeContainerStats(
  record: ContainerRecord,
  measured: MeasuredUsage | undefined,
  layer: { directory: string; usedBytes: number; usedInodes: number; timestamp: bigint },
): ContainerStats {
  const { config } = record;
  return {
    attributes: { id: record.id, metadata: config.metadata, labels: config.labels, annotations: config.annotations },
    ...(measured === undefined ? {} : cpuAndMemory(measured)),
    ...(measured === undefined
      ? {}
      : { swap: { timestamp: measured.timestamp, swapAvailableBytes: value(0n), swapUsageBytes: value(measured.usage.swapUsage) } }),
    writableLayer: {
      timestamp: layer.timestamp,
      fsId: { mountpoint: layer.directory },
      usedBytes: value(BigInt(layer.usedBytes)),
      inodesUsed: value(BigInt(layer.usedInodes)),
    },
  };
}

export interface LinkCounters {
  readonly rxBytes: bigint;
  readonly rxErrors: bigint;
  readonly txBytes: bigint;
  readonly txErrors: bigint;
}

export function describeSandboxStats(
  record: SandboxRecord,
  measured: MeasuredUsage | undefined,
  containers: ContainerStats[],
  link: LinkCounters | undefined,
): PodSandboxStats {
  const { config } = record;
  const timestamp = measured?.timestamp ?? 0n;
  const eth0 =
    link === undefined
      ? undefined
      : {
          name: "eth0",
          rxBytes: value(link.rxBytes),
          rxErrors: value(link.rxErrors),
          txBytes: value(link.txBytes),
          txErrors: value(link.txErrors),
        };
  return {
    attributes: { id: record.id, metadata: config.metadata, labels: config.labels, annotations: config.annotations },
    linux: {
      ...(measured === undefined ? {} : cpuAndMemory(measured)),
      network: eth0 === undefined ? undefined : { timestamp, defaultInterface: eth0, interfaces: [] },
      process: measured === undefined ? undefined : { timestamp, processCount: value(measured.usage.processes) },
      containers,
    },
    windows: undefined,
  };
}
