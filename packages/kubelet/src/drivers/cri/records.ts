// Wire messages of the runtime → records of the core; termination messages are read from disk here.
import { open } from "node:fs/promises";
import type * as wire from "@lenj/proto/cri";
import { NamespaceMode, PodSandboxState, ContainerState as WireState } from "@lenj/proto/cri";
import { annotations, labels } from "../../core/pod/identity.js";
import type { ContainerRecord, ContainerState, SandboxRecord } from "../../core/runtime-state.js";
import { readLogTail } from "../logs/log-tail.js";

const maxTerminationMessageBytes = 4096;
const fallbackBytes = 2048;
const fallbackLines = 80;

export function readSandboxRecord(status: wire.PodSandboxStatus): SandboxRecord {
  const primary = status.network?.ip ?? "";
  return {
    id: status.id,
    attempt: status.metadata?.attempt ?? 0,
    ready: status.state === PodSandboxState.SANDBOX_READY,
    createdAtMs: toMs(status.createdAt),
    ips: [primary, ...(status.network?.additionalIps ?? []).map((entry) => entry.ip)].filter((ip) => ip !== ""),
    hostNetwork: status.linux?.namespaces?.options?.network === NamespaceMode.NODE,
  };
}

const states: Readonly<Record<number, ContainerState>> = {
  [WireState.CONTAINER_CREATED]: "created",
  [WireState.CONTAINER_RUNNING]: "running",
  [WireState.CONTAINER_EXITED]: "exited",
  [WireState.CONTAINER_UNKNOWN]: "unknown",
};

export async function readContainerRecord(item: wire.Container, status: wire.ContainerStatus): Promise<ContainerRecord> {
  const state = states[status.state] ?? "unknown";
  const own = status.annotations;
  return {
    id: status.id,
    sandboxID: item.podSandboxId,
    name: status.labels[labels.containerName] ?? status.metadata?.name ?? "",
    state,
    createdAtMs: toMs(status.createdAt),
    startedAtMs: toMs(status.startedAt),
    finishedAtMs: state === "exited" ? toMs(status.finishedAt) : 0,
    exitCode: status.exitCode,
    reason: status.reason,
    message: state === "exited" ? await terminationMessage(status) : status.message,
    image: status.image?.userSpecifiedImage || status.image?.image || "",
    imageID: status.imageRef,
    restartCount: Number(own[annotations.restartCount] ?? status.metadata?.attempt ?? 0),
    hash: own[annotations.containerHash] ?? "",
    logPath: status.logPath,
  };
}

// The message the container left in its file; with FallbackToLogsOnError the end of its log when it failed silently.
async function terminationMessage(status: wire.ContainerStatus): Promise<string> {
  const path = status.annotations[annotations.terminationMessagePath];
  const mount = status.mounts.find((candidate) => path !== undefined && candidate.containerPath === path);
  const own = mount === undefined ? "" : await readStart(mount.hostPath, maxTerminationMessageBytes);
  if (own !== "") return status.message === "" ? own : `${status.message}: ${own}`;
  const fallback = status.annotations[annotations.terminationMessagePolicy] === "FallbackToLogsOnError" && status.exitCode !== 0;
  if (!fallback || status.logPath === "") return status.message;
  const log = await readLogTail(status.logPath, { lines: fallbackLines, bytes: fallbackBytes });
  return log === "" ? status.message : log;
}

async function readStart(path: string, limitBytes: number): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(limitBytes), 0, limitBytes, 0);
      return buffer.subarray(0, bytesRead).toString("utf8");
    } finally {
      await file.close();
    }
  } catch {
    // No file, no message.
    return "";
  }
}

function toMs(nanoseconds: bigint): number {
  // Containers that never started carry Go's zero time, which lies before the epoch.
  return nanoseconds <= 0n ? 0 : Number(nanoseconds / 1_000n) / 1_000;
}
