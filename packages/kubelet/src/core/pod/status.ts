// Pod status: (pod, runtime state, probe findings) → the status the api-server is told. Pure.
//
// T1. A pod that reached Succeeded or Failed stays there.
// T2. lastTransitionTime of a condition moves only with its status.
// Source: generateAPIPodStatus in kubelet_pods.go.
import type { corev1 } from "@lenj/proto/k8s";
import { qosClass } from "../resources/pod-resources.js";
import type { PodRuntimeState } from "../runtime-state.js";
import { formatTime } from "../time-text.js";
import { podConditions } from "./conditions.js";
import { type ContainerStatusInput, containerStatus, type WaitingReason } from "./container-status.js";
import { isRestartableInit } from "./containers.js";
import { isTerminalPhase, type PodPhase, podPhase } from "./phase.js";

/** The kubelet's own verdict on the whole pod: evicted, over its deadline, not admitted. */
export interface PodVerdict {
  readonly reason: string;
  readonly message: string;
}

export interface PodStatusInput {
  readonly pod: corev1.Pod;
  readonly runtime: PodRuntimeState;
  readonly runtimeName: string;
  readonly findings: ContainerStatusInput["findings"];
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  /** The last status known: computed before, or read from the api-server. */
  readonly previous: corev1.PodStatus;
  /** Addresses of this node, primary first. */
  readonly hostIPs: readonly string[];
  readonly nowMs: number;
  /** Told to stop; `stopped` once no container runs any more. */
  readonly stage: "running" | "stopping" | "stopped";
  readonly verdict?: PodVerdict | undefined;
}

export function podStatus(input: PodStatusInput): corev1.PodStatus {
  const { pod, previous } = input;
  const inits = pod.spec?.initContainers ?? [];
  const defaultWaiting = { reason: inits.length > 0 ? "PodInitializing" : "ContainerCreating", message: "" };
  const ended = input.stage === "stopped" || isTerminalPhase(previous.phase);
  const base = {
    runtime: input.runtime,
    runtimeName: input.runtimeName,
    findings: input.findings,
    waiting: input.waiting,
    defaultWaiting,
    ended,
  };
  const initStatuses = inits.map((container) =>
    containerStatus(isRestartableInit(container) ? "sidecar" : "init", container, {
      ...base,
      previous: previous.initContainerStatuses ?? [],
    }),
  );
  const statuses = (pod.spec?.containers ?? []).map((container) =>
    containerStatus("app", container, { ...base, previous: previous.containerStatuses ?? [] }),
  );
  const ephemeral = (pod.spec?.ephemeralContainers ?? []).map((container) =>
    containerStatus("ephemeral", container as unknown as corev1.Container, {
      ...base,
      previous: previous.ephemeralContainerStatuses ?? [],
    }),
  );

  const terminalBefore = isTerminalPhase(previous.phase);
  const computed = input.verdict !== undefined ? "Failed" : podPhase(pod, initStatuses, statuses, input.stage === "stopped");
  const phase = reportedPhase(input, terminalBefore ? (previous.phase as PodPhase) : computed);
  const now = formatTime(input.nowMs);
  const sandbox = input.runtime.sandboxes[0];
  const ips =
    pod.spec?.hostNetwork === true && sandbox !== undefined
      ? input.hostIPs
      : sandbox?.ready === true || (sandbox?.ips.length ?? 0) > 0
        ? (sandbox?.ips ?? [])
        : [];
  const podIPs = ips.length > 0 ? ips : (previous.podIPs ?? []).map((entry) => entry.ip ?? "");
  const verdict =
    input.verdict ??
    (terminalBefore && previous.reason !== undefined ? { reason: previous.reason, message: previous.message ?? "" } : undefined);
  return {
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    conditions: podConditions({
      pod,
      phase,
      initStatuses,
      statuses,
      current: previous.conditions ?? [],
      sandboxReady: sandbox?.ready === true,
      now,
    }),
    ...(verdict === undefined ? {} : { reason: verdict.reason, message: verdict.message }),
    ...(input.hostIPs[0] === undefined ? {} : { hostIP: input.hostIPs[0], hostIPs: input.hostIPs.map((ip) => ({ ip })) }),
    ...(podIPs[0] === undefined ? {} : { podIP: podIPs[0], podIPs: podIPs.map((ip) => ({ ip })) }),
    startTime: previous.startTime ?? now,
    ...(inits.length > 0 ? { initContainerStatuses: initStatuses } : {}),
    containerStatuses: statuses,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    qosClass: previous.qosClass ?? qosClass(pod),
  };
}

// A pod told to stop is not done before its containers are, and one that stopped is done whatever it had reached.
function reportedPhase(input: PodStatusInput, phase: PodPhase): PodPhase {
  if (input.stage === "stopping" && isTerminalPhase(phase) && !isTerminalPhase(input.previous.phase) && isAnyRunning(input.runtime))
    return "Running";
  if (input.stage === "stopped" && !isTerminalPhase(phase)) return "Failed";
  return phase;
}

/** Status of a pod this node refuses to run. Upstream: rejectPod. */
export function rejectedStatus(pod: corev1.Pod, verdict: PodVerdict, nowMs: number): corev1.PodStatus {
  return {
    phase: "Failed",
    reason: verdict.reason,
    message: `Pod was rejected: ${verdict.message}`,
    startTime: pod.status?.startTime ?? formatTime(nowMs),
    qosClass: qosClass(pod),
  };
}

function isAnyRunning(runtime: PodRuntimeState): boolean {
  return runtime.containers.some((container) => container.state === "running");
}
