// What the runtime knows of a sandbox and of a container, and how that changes.
//
// R1. A container goes created → running → exited, or created → exited when it could not be started; never back.
// R2. Records are plain data; drivers/record-store.ts keeps them on disk, one file each, replaced as a whole.
import { invariant } from "@lenj/base";
import type { ContainerConfig, PodSandboxConfig } from "@lenj/proto/cri";

/** Nanoseconds since the Unix epoch. */
export type Nanoseconds = bigint;

export type ContainerState =
  | { readonly name: "created" }
  | { readonly name: "running"; readonly startedAt: Nanoseconds; readonly pid: number; readonly shimPID: number }
  | {
      readonly name: "exited";
      readonly startedAt: Nanoseconds;
      readonly finishedAt: Nanoseconds;
      readonly exitCode: number;
      readonly reason: string;
      readonly message: string;
    };

export interface ContainerRecord {
  readonly id: string;
  readonly sandboxID: string;
  readonly config: ContainerConfig;
  /** ID of its image: the digest of the image's configuration. */
  readonly imageID: string;
  /** A repository digest of its image, or the ID when there is none. */
  readonly imageRef: string;
  readonly createdAt: Nanoseconds;
  readonly logPath: string;
  readonly cgroupPath: string;
  readonly stopSignal: number;
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
  readonly state: ContainerState;
}

export type SandboxState = { readonly name: "ready"; readonly pid: number; readonly shimPID: number } | { readonly name: "notReady" };

export interface SandboxRecord {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly runtimeHandler: string;
  readonly createdAt: Nanoseconds;
  /** Empty with the node's network, or once the network was given back. */
  readonly ip: string;
  readonly cgroupPath: string;
  readonly state: SandboxState;
}

/** How a container's process ended. */
export interface ContainerExit {
  readonly exitCode: number;
  readonly finishedAt: Nanoseconds;
  readonly oomKilled: boolean;
}

export const reasonCompleted = "Completed";
export const reasonError = "Error";
export const reasonOOMKilled = "OOMKilled";
export const reasonStartError = "StartError";
export const reasonUnknown = "Unknown";
/** Exit code of a container that could not be started. */
export const startErrorCode = 128;
/** Exit code when nobody saw the process end. Upstream: containerd's unknownExitCode. */
export const unknownExitCode = 255;

export function containerStarted(
  record: ContainerRecord,
  process: { startedAt: Nanoseconds; pid: number; shimPID: number },
): ContainerRecord {
  invariant(record.state.name === "created", () => `cannot start container ${record.id}: it is ${record.state.name}`);
  return { ...record, state: { name: "running", ...process } };
}

export function containerStartFailed(record: ContainerRecord, finishedAt: Nanoseconds, message: string): ContainerRecord {
  invariant(record.state.name === "created", () => `cannot fail the start of container ${record.id}: it is ${record.state.name}`);
  return { ...record, state: { name: "exited", startedAt: 0n, finishedAt, exitCode: startErrorCode, reason: reasonStartError, message } };
}

export function containerExited(record: ContainerRecord, exit: ContainerExit): ContainerRecord {
  const { state } = record;
  invariant(state.name === "running", () => `container ${record.id} cannot exit: it is ${state.name}`);
  const reason = exit.oomKilled ? reasonOOMKilled : exit.exitCode === 0 ? reasonCompleted : reasonError;
  return {
    ...record,
    state: { name: "exited", startedAt: state.startedAt, finishedAt: exit.finishedAt, exitCode: exit.exitCode, reason, message: "" },
  };
}

/** For a container that was running when the node went down, or whose shim was killed. */
export function containerLost(record: ContainerRecord, finishedAt: Nanoseconds): ContainerRecord {
  const startedAt = record.state.name === "running" ? record.state.startedAt : 0n;
  return { ...record, state: { name: "exited", startedAt, finishedAt, exitCode: unknownExitCode, reason: reasonUnknown, message: "" } };
}

/** Names that may exist once at a time. Upstream: containerd's makeSandboxName and makeContainerName. */
export function sandboxName(config: PodSandboxConfig): string {
  const metadata = config.metadata;
  return [metadata?.name, metadata?.namespace, metadata?.uid, metadata?.attempt].join("_");
}

export function containerName(config: ContainerConfig, sandbox: PodSandboxConfig): string {
  const { metadata } = sandbox;
  return [config.metadata?.name, metadata?.name, metadata?.namespace, metadata?.uid, config.metadata?.attempt].join("_");
}

/** The one record whose ID is `text` or starts with it. */
export function findByIDPrefix<T>(records: ReadonlyMap<string, T>, text: string): T | undefined {
  const exact = records.get(text);
  if (exact !== undefined || text === "") return exact;
  const matches = [...records].filter(([id]) => id.startsWith(text));
  return matches.length === 1 ? matches[0]?.[1] : undefined;
}
