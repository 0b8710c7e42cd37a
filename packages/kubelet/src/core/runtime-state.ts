// What the container runtime was last seen to hold for one pod. Filled by drivers/cri/observe.ts, read by every decision.

/** A sandbox as the runtime reports it. Times are epoch milliseconds. */
export interface SandboxRecord {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly createdAtMs: number;
  /** Primary address first; empty for host-network sandboxes and while the network is not up. */
  readonly ips: readonly string[];
  readonly hostNetwork: boolean;
}

export type ContainerState = "created" | "running" | "exited" | "unknown";

/** A container as the runtime reports it, with the kubelet's own annotations read back. */
export interface ContainerRecord {
  readonly id: string;
  readonly sandboxID: string;
  readonly name: string;
  readonly state: ContainerState;
  readonly createdAtMs: number;
  /** 0 when it never started. */
  readonly startedAtMs: number;
  /** 0 while it has not exited. */
  readonly finishedAtMs: number;
  readonly exitCode: number;
  readonly reason: string;
  /** The runtime's message, or the termination message the container left. */
  readonly message: string;
  /** As the pod asked for it. */
  readonly image: string;
  readonly imageID: string;
  readonly restartCount: number;
  /** Hash of the container definition it was created from; empty when the annotation is missing. */
  readonly hash: string;
  /** Absolute path of its log file, empty when the runtime does not say. */
  readonly logPath: string;
}

/** One pod in the runtime: newest sandbox first, newest container first. */
export interface PodRuntimeState {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly sandboxes: readonly SandboxRecord[];
  readonly containers: readonly ContainerRecord[];
}

/** Runtime name and container ID as the API shows them: "containerd://0123". */
export function formatContainerID(runtimeName: string, id: string): string {
  return `${runtimeName}://${id}`;
}

/** The newest container of that name, or undefined. */
export function latestContainer(runtime: PodRuntimeState, name: string): ContainerRecord | undefined {
  return runtime.containers.find((container) => container.name === name);
}

/** Nothing in the runtime for this pod. */
export function emptyRuntimeState(uid: string, namespace: string, name: string): PodRuntimeState {
  return { uid, namespace, name, sandboxes: [], containers: [] };
}
