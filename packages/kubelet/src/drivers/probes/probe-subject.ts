import type { corev1 } from "@lenj/proto/k8s";
import type { ProbeKind, ProbeSubject } from "../../core/probes/probe-worker.js";
import { latestContainer, type PodRuntimeState } from "../../core/runtime-state.js";
import type { ProbeSet } from "./probe-set.js";

/** The container a probe looks at, as it is now; undefined while there is none. */
export function probeSubject(input: {
  readonly pod: corev1.Pod | undefined;
  readonly stage: "running" | "stopping" | "stopped" | undefined;
  readonly runtime: PodRuntimeState | undefined;
  readonly probes: ProbeSet;
  readonly uid: string;
  readonly name: string;
  readonly kind: ProbeKind;
}): ProbeSubject | undefined {
  const { pod, runtime, name } = input;
  const record = runtime === undefined ? undefined : latestContainer(runtime, name);
  if (pod === undefined || record === undefined) return undefined;
  const container = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find((candidate) => candidate.name === name);
  const status = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    (candidate) => candidate.name === name,
  );
  const isSame = status?.containerID?.endsWith(`://${record.id}`) === true;
  const startedBefore = isSame && status?.started === true;
  return {
    containerID: record.id,
    running: record.state === "running",
    startedAtMs: record.startedAtMs,
    started: container?.startupProbe === undefined || input.probes.verdict(input.uid, name, "startup", record.id) === "success",
    podEnding: input.stage !== "running" || pod.metadata?.deletionTimestamp !== undefined,
    passedBefore: input.kind === "readiness" ? isSame && status?.ready === true : input.kind === "startup" ? startedBefore : false,
  };
}
