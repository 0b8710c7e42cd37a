// The status of a Deployment: counters, conditions and the judgement whether it progresses.
// Source: pkg/controller/deployment/progress.go, sync.go calculateStatus.
import type { appsv1 } from "@lenj/proto/k8s";
import { formatTime, parseTime } from "../../core/time.js";
import { desiredReplicas, maxUnavailable, type ReplicaSetDraft, sumReplicas, sumStatus } from "./replica-sets.js";

/** A deadline of this many seconds means: none. */
const NO_DEADLINE_SECONDS = 2_147_483_647;

export interface ConditionDraft {
  readonly type: "Available" | "Progressing" | "ReplicaFailure";
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

/** The conditions with `draft` in place of its type; unchanged when its status and reason are already there. */
export function withCondition(
  conditions: readonly appsv1.DeploymentCondition[],
  draft: ConditionDraft,
  nowMs: number,
): appsv1.DeploymentCondition[] {
  const current = findCondition(conditions, draft.type);
  if (current !== undefined && current.status === draft.status && current.reason === draft.reason) return [...conditions];
  const now = formatTime(nowMs);
  const isSameStatus = current?.status === draft.status;
  const lastTransitionTime = isSameStatus ? (current.lastTransitionTime ?? now) : now;
  return [...without(conditions, draft.type), { ...draft, lastUpdateTime: now, lastTransitionTime }];
}

export function findCondition(
  conditions: readonly appsv1.DeploymentCondition[] | undefined,
  type: ConditionDraft["type"],
): appsv1.DeploymentCondition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

function without(conditions: readonly appsv1.DeploymentCondition[], type: ConditionDraft["type"]): appsv1.DeploymentCondition[] {
  return conditions.filter((condition) => condition.type !== type);
}

export function deadlineSeconds(deployment: appsv1.Deployment): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds === undefined || seconds === NO_DEADLINE_SECONDS ? undefined : seconds;
}

export interface StatusInput {
  readonly deployment: appsv1.Deployment;
  /** Conditions as this reconcile left them so far. */
  readonly conditions: readonly appsv1.DeploymentCondition[];
  readonly current: ReplicaSetDraft | undefined;
  readonly old: readonly ReplicaSetDraft[];
  readonly nowMs: number;
}

/** Counters and the Available condition. */
export function calculateStatus({ deployment, conditions, current, old, nowMs }: StatusInput): appsv1.DeploymentStatus {
  const all = [...old, ...(current === undefined ? [] : [current])];
  const availableReplicas = sumStatus(all, "availableReplicas");
  const isAvailable = availableReplicas >= desiredReplicas(deployment) - maxUnavailable(deployment);
  const terminating = all.reduce((sum, draft) => sum + (draft.object.status?.terminatingReplicas ?? 0), 0);
  return {
    observedGeneration: deployment.metadata?.generation,
    replicas: sumStatus(all, "replicas"),
    updatedReplicas: current === undefined ? 0 : sumStatus([current], "replicas"),
    readyReplicas: sumStatus(all, "readyReplicas"),
    availableReplicas,
    unavailableReplicas: Math.max(0, sumReplicas(all) - availableReplicas),
    terminatingReplicas: terminating,
    collisionCount: deployment.status?.collisionCount,
    conditions: withCondition(
      conditions,
      isAvailable
        ? { type: "Available", status: "True", reason: "MinimumReplicasAvailable", message: "Deployment has minimum availability." }
        : {
            type: "Available",
            status: "False",
            reason: "MinimumReplicasUnavailable",
            message: "Deployment does not have minimum availability.",
          },
      nowMs,
    ),
  };
}

/** Every wanted pod is there, new, available, and nothing old is left. */
export function isComplete(deployment: appsv1.Deployment, status: appsv1.DeploymentStatus): boolean {
  const replicas = desiredReplicas(deployment);
  return (
    (status.updatedReplicas ?? 0) === replicas &&
    (status.replicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas &&
    (status.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  );
}

function isProgressing(deployment: appsv1.Deployment, status: appsv1.DeploymentStatus): boolean {
  const before = deployment.status ?? {};
  const oldPods = (value: appsv1.DeploymentStatus): number => (value.replicas ?? 0) - (value.updatedReplicas ?? 0);
  return (
    (status.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    oldPods(status) < oldPods(before) ||
    (status.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (status.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

function isTimedOut(deployment: appsv1.Deployment, condition: appsv1.DeploymentCondition | undefined, nowMs: number): boolean {
  const seconds = deadlineSeconds(deployment);
  if (seconds === undefined || condition === undefined || condition.reason === "NewReplicaSetAvailable") return false;
  if (condition.reason === "ProgressDeadlineExceeded") return true;
  return (parseTime(condition.lastUpdateTime) ?? nowMs) + seconds * 1000 < nowMs;
}

/** The status during and after a rollout, with the Progressing and ReplicaFailure conditions. */
export function rolloutStatus(input: StatusInput): appsv1.DeploymentStatus {
  const { deployment, current, old, nowMs } = input;
  const status = calculateStatus(input);
  let conditions: readonly appsv1.DeploymentCondition[] = status.conditions ?? [];
  const progressing = findCondition(input.conditions, "Progressing");
  const subject = current === undefined ? `Deployment "${deployment.metadata?.name}"` : `ReplicaSet "${current.object.metadata?.name}"`;
  const wasComplete = status.replicas === status.updatedReplicas && progressing?.reason === "NewReplicaSetAvailable";
  if (deadlineSeconds(deployment) === undefined) {
    conditions = without(conditions, "Progressing");
  } else if (!wasComplete) {
    if (isComplete(deployment, status)) {
      conditions = withCondition(
        conditions,
        { type: "Progressing", status: "True", reason: "NewReplicaSetAvailable", message: `${subject} has successfully progressed.` },
        nowMs,
      );
    } else if (isProgressing(deployment, status)) {
      conditions = withProgress(conditions, progressing, `${subject} is progressing.`, nowMs);
    } else if (isTimedOut(deployment, progressing, nowMs)) {
      conditions = withCondition(
        conditions,
        { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: `${subject} has timed out progressing.` },
        nowMs,
      );
    }
  }
  return { ...status, conditions: withReplicaFailure(conditions, current, old) };
}

/** Every step forward sets lastUpdateTime anew: the deadline counts from the last one. */
function withProgress(
  conditions: readonly appsv1.DeploymentCondition[],
  progressing: appsv1.DeploymentCondition | undefined,
  message: string,
  nowMs: number,
): appsv1.DeploymentCondition[] {
  const now = formatTime(nowMs);
  const lastTransitionTime = progressing?.status === "True" ? (progressing.lastTransitionTime ?? now) : now;
  return [
    ...without(conditions, "Progressing"),
    { type: "Progressing", status: "True", reason: "ReplicaSetUpdated", message, lastUpdateTime: now, lastTransitionTime },
  ];
}

function withReplicaFailure(
  conditions: readonly appsv1.DeploymentCondition[],
  current: ReplicaSetDraft | undefined,
  old: readonly ReplicaSetDraft[],
): appsv1.DeploymentCondition[] {
  const failureOf = (draft: ReplicaSetDraft | undefined): appsv1.ReplicaSetCondition | undefined =>
    draft?.object.status?.conditions?.find((condition) => condition.type === "ReplicaFailure");
  const failure = failureOf(current) ?? old.map(failureOf).find((candidate) => candidate !== undefined);
  const rest = without(conditions, "ReplicaFailure");
  if (failure === undefined) return rest;
  return [
    ...rest,
    {
      type: "ReplicaFailure",
      status: failure.status,
      reason: failure.reason,
      message: failure.message,
      lastUpdateTime: failure.lastTransitionTime,
      lastTransitionTime: failure.lastTransitionTime,
    },
  ];
}

/** Milliseconds until the progress deadline must be checked, if there is one to check. */
export function progressCheckAfterMs(deployment: appsv1.Deployment, status: appsv1.DeploymentStatus, nowMs: number): number | undefined {
  const seconds = deadlineSeconds(deployment);
  const progressing = findCondition(status.conditions, "Progressing");
  if (seconds === undefined || progressing === undefined) return undefined;
  if (
    isComplete(deployment, status) ||
    progressing.reason === "ProgressDeadlineExceeded" ||
    progressing.reason === "NewReplicaSetAvailable"
  )
    return undefined;
  return Math.max(0, (parseTime(progressing.lastUpdateTime) ?? nowMs) + seconds * 1000 - nowMs) + 1000;
}
