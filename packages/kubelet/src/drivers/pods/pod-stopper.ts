// Stopping containers and whole pods: hooks, grace, order. Upstream: kuberuntime killContainer, killPod.
import type { corev1 } from "@lenj/proto/k8s";
import { minimumGraceSeconds, stopOrder } from "../../core/pod/termination.js";
import type { PodRuntimeState } from "../../core/runtime-state.js";
import { criErrorCode, criNotFound, describeCRIError } from "../cri/cri-client.js";
import { runHook } from "../hooks/lifecycle-hooks.js";
import type { PodPorts } from "./pod-ports.js";

export interface StopContainerInput {
  /** Undefined for a pod nobody describes any more. */
  readonly pod: corev1.Pod | undefined;
  readonly containerID: string;
  readonly name: string;
  readonly container: corev1.Container | undefined;
  readonly graceSeconds: number;
  /** Text of the Killing event. */
  readonly message: string;
  readonly podIP: string;
  /** Containers whose preStop hook ran or runs; a shortened grace period does not run it again. */
  readonly hooked: Set<string>;
  readonly signal?: AbortSignal | undefined;
}

export async function stopContainer(ports: PodPorts, input: StopContainerInput): Promise<void> {
  const { pod, container, containerID, signal } = input;
  const startedMs = ports.clock.monotonicMs();
  const isFirst = !input.hooked.has(containerID);
  input.hooked.add(containerID);
  if (pod !== undefined && isFirst) ports.events.record(pod, "Normal", "Killing", input.message, input.name);
  const handler = container?.lifecycle?.preStop;
  if (pod !== undefined && container !== undefined && handler !== undefined && isFirst && input.graceSeconds > 0) {
    const timeoutMs = input.graceSeconds * 1000;
    try {
      await runHook(ports, handler, { containerID, container, podIP: input.podIP, timeoutMs, signal });
    } catch (error) {
      if (signal?.aborted === true) throw error;
      ports.events.record(pod, "Warning", "FailedPreStopHook", `PreStopHook failed`, input.name);
      ports.logger.warn("PreStop hook failed", { container: input.name, error: (error as Error).message });
    }
  }
  const elapsedSeconds = (ports.clock.monotonicMs() - startedMs) / 1000;
  // The hook's time is part of the grace period, but the process is always given a moment to see its signal.
  const left =
    handler === undefined || !isFirst ? input.graceSeconds : Math.max(Math.round(input.graceSeconds - elapsedSeconds), minimumGraceSeconds);
  try {
    await ports.cri.stopContainer(containerID, left, { signal });
  } catch (error) {
    if (criErrorCode(error) === criNotFound) return;
    throw error;
  }
}

export interface StopPodInput {
  readonly pod: corev1.Pod | undefined;
  readonly runtime: PodRuntimeState;
  readonly graceSeconds: number;
  readonly hooked: Set<string>;
  readonly signal?: AbortSignal | undefined;
}

/** Stops all containers in their order, then the sandboxes. Rejects when something would not stop. */
export async function stopPod(ports: PodPorts, input: StopPodInput): Promise<void> {
  const { pod, runtime, signal } = input;
  const podIP = runtime.sandboxes[0]?.ips[0] ?? "";
  const deadlineMs = ports.clock.monotonicMs() + input.graceSeconds * 1000;
  for (const group of stopOrder(pod, runtime)) {
    // Later groups get what earlier ones left of the pod's period.
    const graceSeconds = Math.max(Math.ceil((deadlineMs - ports.clock.monotonicMs()) / 1000), 1);
    const results = await Promise.allSettled(
      group.map((step) =>
        stopContainer(ports, {
          pod,
          ...step,
          graceSeconds,
          message: `Stopping container ${step.name}`,
          podIP,
          hooked: input.hooked,
          signal,
        }),
      ),
    );
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
  for (const sandbox of runtime.sandboxes) {
    try {
      await ports.cri.stopPodSandbox(sandbox.id, { signal });
    } catch (error) {
      if (criErrorCode(error) === criNotFound) continue;
      if (pod !== undefined)
        ports.events.record(
          pod,
          "Warning",
          "FailedKillPod",
          `error killing pod: failed to "KillPodSandbox" for ${JSON.stringify(runtime.uid)} with KillPodSandboxError: ${JSON.stringify(describeCRIError(error))}`,
        );
      throw error;
    }
  }
}
