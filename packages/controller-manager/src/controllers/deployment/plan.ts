// Decides what a Deployment does next with its ReplicaSets.
//
// D1. The plan depends on nothing but what was observed; running it twice on the same state gives the same actions.
// D2. At most one side (new or old ReplicaSets) changes size in one reconcile of a rollout; the other waits for its status.
// D3. A ReplicaSet that still has or wants pods is never deleted.
// Source: pkg/controller/deployment/{deployment_controller,sync,recreate}.go.
import type { appsv1, corev1 } from "@lenj/proto/k8s";
import { isSameJSON } from "../../core/canonical-json.js";
import {
  applyRevision,
  byCreation,
  desiredReplicas,
  draftOf,
  findNewReplicaSet,
  isRolling,
  newReplicaSet,
  nextRevision,
  REVISION,
  type ReplicaSetDraft,
  resize,
  revisionOf,
  sumStatus,
} from "./replica-sets.js";
import { newReplicaSetSize, rollNew, rollOld } from "./rolling.js";
import { isScalingEvent, scale } from "./scaling.js";
import {
  type ConditionDraft,
  calculateStatus,
  deadlineSeconds,
  findCondition,
  isComplete,
  progressCheckAfterMs,
  rolloutStatus,
  withCondition,
} from "./status.js";

export type DeploymentAction =
  | { readonly verb: "createReplicaSet"; readonly replicaSet: appsv1.ReplicaSet; readonly because: string }
  | {
      readonly verb: "updateReplicaSet";
      readonly replicaSet: appsv1.ReplicaSet;
      readonly previousReplicas: number;
      readonly because: string;
    }
  | { readonly verb: "deleteReplicaSet"; readonly replicaSet: appsv1.ReplicaSet; readonly because: string };

export interface ObservedDeployment {
  readonly deployment: appsv1.Deployment;
  /** Those it controls. */
  readonly replicaSets: readonly appsv1.ReplicaSet[];
  /** Pods by the uid of their ReplicaSet. */
  readonly podsOf: (replicaSetUID: string) => readonly corev1.Pod[];
  readonly nowMs: number;
}

export interface DeploymentPlan {
  readonly actions: readonly DeploymentAction[];
  readonly status: appsv1.DeploymentStatus;
  /** Value of the revision annotation. */
  readonly revision: string | undefined;
  readonly requeueAfterMs: number | undefined;
}

/** Working state of one planning. */
interface Draft extends ObservedDeployment {
  current: ReplicaSetDraft | undefined;
  readonly old: ReplicaSetDraft[];
  conditions: readonly appsv1.DeploymentCondition[];
  revision: string | undefined;
}

export function planDeployment(observed: ObservedDeployment): DeploymentPlan {
  const draft = startDraft(observed);
  if (observed.deployment.metadata?.deletionTimestamp !== undefined) return finish(draft, calculateStatus(draft), []);
  notePause(draft);
  const isPaused = observed.deployment.spec?.paused === true;
  if (isPaused || isScalingEvent(observed.deployment, allOf(draft))) {
    if (draft.current !== undefined) adoptCurrent(draft, draft.current);
    scale(observed.deployment, draft.current, draft.old);
    return finish(draft, calculateStatus(draft), isPaused ? surplusReplicaSets(draft) : []);
  }
  if (isRolling(observed.deployment)) planRolling(draft);
  else planRecreate(draft);
  const status = rolloutStatus(draft);
  return finish(draft, status, isComplete(observed.deployment, status) ? surplusReplicaSets(draft) : []);
}

function startDraft(observed: ObservedDeployment): Draft {
  const { deployment, replicaSets } = observed;
  const found = findNewReplicaSet(deployment, replicaSets);
  return {
    ...observed,
    current: found === undefined ? undefined : draftOf(found),
    old: replicaSets.filter((replicaSet) => replicaSet !== found).map((replicaSet) => draftOf(replicaSet)),
    conditions: deployment.status?.conditions ?? [],
    revision: deployment.metadata?.annotations?.[REVISION],
  };
}

function allOf(draft: Draft): ReplicaSetDraft[] {
  return [...draft.old, ...(draft.current === undefined ? [] : [draft.current])];
}

function condition(draft: Draft, next: ConditionDraft): void {
  draft.conditions = withCondition(draft.conditions, next, draft.nowMs);
}

/** Pausing stops the progress clock; an expired deadline stays visible. */
function notePause(draft: Draft): void {
  const { deployment } = draft;
  const progressing = findCondition(draft.conditions, "Progressing");
  if (deadlineSeconds(deployment) === undefined || progressing?.reason === "ProgressDeadlineExceeded") return;
  const isPaused = deployment.spec?.paused === true;
  const wasPaused = progressing?.reason === "DeploymentPaused";
  if (isPaused && !wasPaused)
    condition(draft, { type: "Progressing", status: "Unknown", reason: "DeploymentPaused", message: "Deployment is paused" });
  if (!isPaused && wasPaused)
    condition(draft, { type: "Progressing", status: "Unknown", reason: "DeploymentResumed", message: "Deployment is resumed" });
}

function planRolling(draft: Draft): void {
  const current = ensureCurrent(draft);
  if (current.isNew) return;
  if (rollNew(draft.deployment, allOf(draft), current)) return;
  rollOld(draft.deployment, draft.old, current);
}

function planRecreate(draft: Draft): void {
  if (draft.current !== undefined) adoptCurrent(draft, draft.current);
  const active = draft.old.filter((old) => old.replicas > 0);
  if (active.length > 0) {
    for (const old of active) resize(old, 0, draft.deployment, "strategy is Recreate");
    return;
  }
  if (hasOldPods(draft)) return;
  const current = ensureCurrent(draft);
  const replicas = desiredReplicas(draft.deployment);
  resize(current, replicas, draft.deployment, `spec.replicas is ${replicas}`);
}

/** Pods of old ReplicaSets that may still run; only finished ones do not count. */
function hasOldPods({ old, podsOf }: Draft): boolean {
  if (sumStatus(old, "replicas") > 0) return true;
  return old.some((draft) =>
    podsOf(draft.object.metadata?.uid ?? "").some((pod) => pod.status?.phase !== "Failed" && pod.status?.phase !== "Succeeded"),
  );
}

function ensureCurrent(draft: Draft): ReplicaSetDraft {
  if (draft.current !== undefined) {
    adoptCurrent(draft, draft.current);
    return draft.current;
  }
  const current = draftOf(newReplicaSet(draft.deployment), true);
  draft.current = current;
  applyRevision(current, draft.deployment, nextRevision(draft.old.map((old) => old.object)));
  current.replicas = newReplicaSetSize(draft.deployment, allOf(draft), current);
  current.because = "no ReplicaSet has the current pod template";
  draft.revision = current.annotations[REVISION];
  if (deadlineSeconds(draft.deployment) !== undefined) {
    condition(draft, {
      type: "Progressing",
      status: "True",
      reason: "NewReplicaSetCreated",
      message: `Created new replica set "${current.object.metadata?.name}"`,
    });
  }
  return current;
}

/** An existing ReplicaSet that has the template becomes the newest revision: that is what a rollback is. */
function adoptCurrent(draft: Draft, current: ReplicaSetDraft): void {
  applyRevision(current, draft.deployment, nextRevision(draft.old.map((old) => old.object)));
  current.minReadySeconds = draft.deployment.spec?.minReadySeconds ?? 0;
  draft.revision = current.annotations[REVISION];
  if (deadlineSeconds(draft.deployment) !== undefined && findCondition(draft.conditions, "Progressing") === undefined) {
    condition(draft, {
      type: "Progressing",
      status: "True",
      reason: "FoundNewReplicaSet",
      message: `Found new replica set "${current.object.metadata?.name}"`,
    });
  }
}

/** Old ReplicaSets beyond the history limit that have no pods left, oldest revision first. */
function surplusReplicaSets({ deployment, old }: Draft): appsv1.ReplicaSet[] {
  const limit = deployment.spec?.revisionHistoryLimit;
  if (limit === undefined || limit === 2_147_483_647) return [];
  const candidates = old.filter((draft) => draft.object.metadata?.deletionTimestamp === undefined);
  const surplus = candidates.length - limit;
  if (surplus <= 0) return [];
  return candidates
    .sort((a, b) => revisionOf(a.object) - revisionOf(b.object) || byCreation(a.object, b.object))
    .slice(0, surplus)
    .filter((draft) => draft.replicas === 0 && (draft.object.status?.replicas ?? 0) === 0 && isObserved(draft.object))
    .map((draft) => draft.object);
}

function isObserved({ metadata, status }: appsv1.ReplicaSet): boolean {
  return (metadata?.generation ?? 0) <= (status?.observedGeneration ?? 0);
}

function finish(draft: Draft, status: appsv1.DeploymentStatus, surplus: readonly appsv1.ReplicaSet[]): DeploymentPlan {
  const writes = allOf(draft).flatMap((replicaSet) => actionFor(replicaSet));
  const deletions = surplus.map(
    (replicaSet): DeploymentAction => ({ verb: "deleteReplicaSet", replicaSet, because: "revisionHistoryLimit is exceeded" }),
  );
  return {
    actions: [...writes, ...deletions],
    status,
    revision: draft.revision,
    requeueAfterMs: progressCheckAfterMs(draft.deployment, status, draft.nowMs),
  };
}

function actionFor(draft: ReplicaSetDraft): DeploymentAction[] {
  const { object, replicas, minReadySeconds, annotations, because } = draft;
  const spec = { ...object.spec, replicas, minReadySeconds } as appsv1.ReplicaSetSpec;
  const next: appsv1.ReplicaSet = { ...object, metadata: { ...object.metadata, annotations }, spec };
  if (draft.isNew) return [{ verb: "createReplicaSet", replicaSet: next, because }];
  const isSame =
    replicas === (object.spec?.replicas ?? 0) &&
    minReadySeconds === (object.spec?.minReadySeconds ?? 0) &&
    isSameJSON(annotations, object.metadata?.annotations ?? {});
  return isSame ? [] : [{ verb: "updateReplicaSet", replicaSet: next, previousReplicas: object.spec?.replicas ?? 0, because }];
}
