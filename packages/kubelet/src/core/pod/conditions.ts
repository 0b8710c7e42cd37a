// Pod conditions the kubelet owns. Upstream: pkg/kubelet/status/generate.go.
import type { corev1 } from "@lenj/proto/k8s";
import { isRestartableInit } from "./containers.js";
import type { PodPhase } from "./phase.js";

type Condition = Pick<corev1.PodCondition, "type" | "status"> & { readonly reason?: string; readonly message?: string };

export const kubeletConditionTypes = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"] as const;

export interface ConditionsInput {
  readonly pod: corev1.Pod;
  readonly phase: PodPhase;
  readonly initStatuses: readonly corev1.ContainerStatus[];
  readonly statuses: readonly corev1.ContainerStatus[];
  /** Conditions the pod has now, the kubelet's and others' (readiness gates). */
  readonly current: readonly corev1.PodCondition[];
  /** The sandbox is up and has its network. */
  readonly sandboxReady: boolean;
  /** The text of now. */
  readonly now: string;
}

/** The kubelet's conditions; `lastTransitionTime` moves only when `status` changes. */
export function podConditions(input: ConditionsInput): corev1.PodCondition[] {
  const containersReady = containersReadyCondition(input);
  const wanted: Condition[] = [
    { type: "PodReadyToStartContainers", status: input.sandboxReady ? "True" : "False" },
    initializedCondition(input),
    readyCondition(input, containersReady),
    containersReady,
    { type: "PodScheduled", status: "True" },
  ];
  return wanted.map((condition) => {
    const before = input.current.find((candidate) => candidate.type === condition.type);
    const lastTransitionTime =
      before?.status === condition.status && before.lastTransitionTime !== undefined && before.lastTransitionTime !== null
        ? before.lastTransitionTime
        : input.now;
    const generation = input.pod.metadata?.generation;
    return {
      type: condition.type,
      status: condition.status,
      lastProbeTime: null as never,
      lastTransitionTime,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      ...(condition.reason === undefined ? {} : { reason: condition.reason }),
      ...(condition.message === undefined ? {} : { message: condition.message }),
    };
  });
}

function initializedCondition(input: ConditionsInput): Condition {
  const inits = input.pod.spec?.initContainers ?? [];
  if (inits.length === 0) return { type: "Initialized", status: "True" };
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const container of inits) {
    const status = input.initStatuses.find((candidate) => candidate.name === container.name);
    if (status === undefined) unknown.push(container.name);
    else if (isRestartableInit(container) ? status.started !== true : status.ready !== true) incomplete.push(container.name);
  }
  if (input.phase === "Succeeded" && unknown.length === 0) return { type: "Initialized", status: "True", reason: "PodCompleted" };
  // Containers that have started prove that initialisation is over, whatever became of the init containers' remains.
  if (input.statuses.some(({ state }) => state?.running !== undefined || state?.terminated !== undefined))
    return { type: "Initialized", status: "True" };
  if (unknown.length === 0 && incomplete.length === 0) return { type: "Initialized", status: "True" };
  return {
    type: "Initialized",
    status: "False",
    reason: "ContainersNotInitialized",
    message: describe([
      ["unknown", unknown],
      ["incomplete", incomplete],
    ]),
  };
}

function containersReadyCondition(input: ConditionsInput): Condition {
  const type = "ContainersReady";
  if (input.phase === "Succeeded") return { type, status: "False", reason: "PodCompleted" };
  if (input.phase === "Failed") return { type, status: "False", reason: "PodFailed" };
  const unknown: string[] = [];
  const unready: string[] = [];
  const inspect = (container: corev1.Container, statuses: readonly corev1.ContainerStatus[]): void => {
    const status = statuses.find((candidate) => candidate.name === container.name);
    if (status === undefined) unknown.push(container.name);
    else if (status.ready !== true) unready.push(container.name);
  };
  for (const container of (input.pod.spec?.initContainers ?? []).filter(isRestartableInit)) inspect(container, input.initStatuses);
  for (const container of input.pod.spec?.containers ?? []) inspect(container, input.statuses);
  if (unknown.length === 0 && unready.length === 0) return { type, status: "True" };
  return {
    type,
    status: "False",
    reason: "ContainersNotReady",
    message: describe([
      ["unknown", unknown],
      ["unready", unready],
    ]),
  };
}

function readyCondition(input: ConditionsInput, containersReady: Condition): Condition {
  if (containersReady.status !== "True") return { ...containersReady, type: "Ready" };
  const problems: string[] = [];
  for (const gate of input.pod.spec?.readinessGates ?? []) {
    const condition = input.current.find((candidate) => candidate.type === gate.conditionType);
    if (condition === undefined)
      problems.push(`corresponding condition of pod readiness gate ${JSON.stringify(gate.conditionType)} does not exist.`);
    else if (condition.status !== "True")
      problems.push(`the status of pod readiness gate ${JSON.stringify(gate.conditionType)} is not "True", but ${condition.status}`);
  }
  if (problems.length === 0) return { type: "Ready", status: "True" };
  return { type: "Ready", status: "False", reason: "ReadinessGatesNotReady", message: problems.join(", ") };
}

function describe(groups: readonly (readonly [string, readonly string[]])[]): string {
  return groups
    .filter(([, names]) => names.length > 0)
    .map(([word, names]) => `containers with ${word} status: [${names.join(" ")}]`)
    .join(", ");
}
