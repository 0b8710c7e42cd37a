// API status of each container from what the runtime holds. Upstream: convertToAPIContainerStatuses.
import type { corev1 } from "@lenj/proto/k8s";
import { type ContainerRecord, formatContainerID, type PodRuntimeState } from "../runtime-state.js";
import { formatTime } from "../time-text.js";
import type { ContainerRole } from "./containers.js";
import type { ContainerFindings } from "./plan.js";

/** Why a container that is not running is not: what the last attempt to start it ended with. */
export interface WaitingReason {
  readonly reason: string;
  readonly message: string;
}

export interface ContainerStatusInput {
  readonly runtime: PodRuntimeState;
  /** "containerd", "lenj": scheme of container IDs. */
  readonly runtimeName: string;
  readonly findings: ContainerFindings & { readiness(containerID: string): "success" | "failure" | "unknown" };
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  readonly previous: readonly corev1.ContainerStatus[];
  /** Waiting reason of containers nothing is known of yet. */
  readonly defaultWaiting: WaitingReason;
  /** The pod is past running: nothing will start again. */
  readonly ended: boolean;
}

export function containerStatus(role: ContainerRole, container: corev1.Container, input: ContainerStatusInput): corev1.ContainerStatus {
  const records = input.runtime.containers.filter((record) => record.name === container.name);
  const previous = input.previous.find((candidate) => candidate.name === container.name);
  const latest = records[0];
  const status = latest === undefined ? unseen(container, previous, input) : seen(container, latest, records[1], previous, input);
  if (role === "init") status.started = latest?.state === "running";
  else if (role !== "ephemeral") status.started = hasStarted(container, latest, input);
  status.ready = isReady(role, container, latest, status, input);
  if (container.resources !== undefined && Object.keys(container.resources).length > 0 && role !== "ephemeral") {
    status.resources = container.resources;
    if (container.resources.requests !== undefined) status.allocatedResources = container.resources.requests;
  }
  return status;
}

function seen(
  container: corev1.Container,
  latest: ContainerRecord,
  before: ContainerRecord | undefined,
  previous: corev1.ContainerStatus | undefined,
  input: ContainerStatusInput,
): corev1.ContainerStatus {
  const waiting = input.waiting.get(container.name);
  const status: corev1.ContainerStatus = {
    name: container.name,
    state: {},
    lastState: {},
    ready: false,
    restartCount: latest.restartCount,
    image: latest.image === "" ? (container.image ?? "") : latest.image,
    imageID: latest.imageID,
    containerID: formatContainerID(input.runtimeName, latest.id),
  };
  const ended = latest.state === "exited" || latest.state === "unknown" ? terminated(latest, input.runtimeName) : undefined;
  if (latest.state === "running") status.state = { running: { startedAt: formatTime(latest.startedAtMs) } };
  else if (waiting !== undefined && !input.ended) {
    status.state = { waiting: { reason: waiting.reason, ...(waiting.message === "" ? {} : { message: waiting.message }) } };
    if (ended !== undefined) status.lastState = { terminated: ended };
    return status;
  } else if (ended !== undefined) status.state = { terminated: ended };
  else status.state = { waiting: { reason: input.defaultWaiting.reason } };
  if (before?.state === "exited") status.lastState = { terminated: terminated(before, input.runtimeName) };
  // Remains of the run before may have been removed from the runtime; the API still tells.
  else if (previous?.restartCount === latest.restartCount && previous.lastState !== undefined) status.lastState = previous.lastState;
  return status;
}

// Not in the runtime: never created, or lost after it was.
function unseen(
  container: corev1.Container,
  previous: corev1.ContainerStatus | undefined,
  input: ContainerStatusInput,
): corev1.ContainerStatus {
  const waiting = input.waiting.get(container.name) ?? input.defaultWaiting;
  const status: corev1.ContainerStatus = {
    name: container.name,
    state: { waiting: { reason: waiting.reason, ...(waiting.message === "" ? {} : { message: waiting.message }) } },
    lastState: {},
    ready: false,
    restartCount: previous?.restartCount ?? 0,
    image: container.image ?? "",
    imageID: "",
  };
  if (previous?.state?.terminated !== undefined) {
    status.state = previous.state;
    status.imageID = previous.imageID ?? "";
    if (previous.containerID !== undefined) status.containerID = previous.containerID;
    if (previous.lastState !== undefined) status.lastState = previous.lastState;
    return status;
  }
  if (previous?.state?.running === undefined && !input.ended) {
    if (previous?.lastState !== undefined) status.lastState = previous.lastState;
    return status;
  }
  const lost = {
    reason: "ContainerStatusUnknown",
    message: `The container could not be located when the pod was ${input.ended ? "terminated" : "deleted.  The container used to be Running"}`,
    exitCode: 137,
    startedAt: null as never,
    finishedAt: null as never,
    ...(previous?.containerID === undefined ? {} : { containerID: previous.containerID }),
  };
  if (input.ended) status.state = { terminated: lost };
  else {
    status.lastState = { terminated: lost };
    status.restartCount += 1;
  }
  return status;
}

function terminated(record: ContainerRecord, runtimeName: string): corev1.ContainerStateTerminated {
  if (record.state === "unknown") {
    return {
      exitCode: 137,
      reason: "ContainerStatusUnknown",
      message: "The container could not be located when the pod was terminated",
      startedAt: timeOrNull(record.startedAtMs),
      finishedAt: timeOrNull(record.finishedAtMs),
      containerID: formatContainerID(runtimeName, record.id),
    };
  }
  return {
    exitCode: record.exitCode,
    reason: record.reason !== "" ? record.reason : record.exitCode === 0 ? "Completed" : "Error",
    ...(record.message === "" ? {} : { message: record.message }),
    startedAt: timeOrNull(record.startedAtMs),
    finishedAt: timeOrNull(record.finishedAtMs),
    containerID: formatContainerID(runtimeName, record.id),
  };
}

// Upstream writes the zero time as null.
function timeOrNull(wallMs: number): string {
  return wallMs === 0 ? (null as never) : formatTime(wallMs);
}

function hasStarted(container: corev1.Container, latest: ContainerRecord | undefined, input: ContainerStatusInput): boolean {
  if (latest?.state !== "running") return false;
  return container.startupProbe === undefined || input.findings.startup(latest.id) === "success";
}

function isReady(
  role: ContainerRole,
  container: corev1.Container,
  latest: ContainerRecord | undefined,
  status: corev1.ContainerStatus,
  input: ContainerStatusInput,
): boolean {
  if (role === "init") return status.state?.terminated !== undefined && status.state.terminated.exitCode === 0;
  if (role === "ephemeral" || latest?.state !== "running" || status.started !== true) return false;
  return container.readinessProbe === undefined || input.findings.readiness(latest.id) === "success";
}
