// The ReplicaSets of a Deployment: which is current, their revisions and annotations, and drafts of their next state.
// Source: pkg/controller/deployment/util/deployment_util.go.
import type { appsv1 } from "@lenj/proto/k8s";
import { isSameJSON } from "../../core/canonical-json.js";
import { resolveIntOrPercent } from "../../core/int-or-percent.js";
import { controllerReference } from "../../core/owner.js";
import { templateHash } from "../../core/template-hash.js";

export const DEPLOYMENT_KIND = { apiVersion: "apps/v1", kind: "Deployment" } as const;
export const HASH_LABEL = "pod-template-hash";
export const REVISION = "deployment.kubernetes.io/revision";
const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
const DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas";
const MAX_REPLICAS = "deployment.kubernetes.io/max-replicas";
const notInherited = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  "deprecated.deployment.rollback.to",
]);

/** What a reconcile makes of one ReplicaSet; it differs from `object` where something is to be written. */
export interface ReplicaSetDraft {
  readonly object: appsv1.ReplicaSet;
  /** Not on the server yet. */
  readonly isNew: boolean;
  replicas: number;
  minReadySeconds: number;
  annotations: Record<string, string>;
  because: string;
}

export function draftOf(object: appsv1.ReplicaSet, isNew = false): ReplicaSetDraft {
  return {
    object,
    isNew,
    replicas: object.spec?.replicas ?? 0,
    minReadySeconds: object.spec?.minReadySeconds ?? 0,
    annotations: { ...object.metadata?.annotations },
    because: "",
  };
}

export const sumReplicas = (drafts: readonly ReplicaSetDraft[]): number => drafts.reduce((sum, draft) => sum + draft.replicas, 0);
export const sumStatus = (drafts: readonly ReplicaSetDraft[], field: "replicas" | "readyReplicas" | "availableReplicas"): number =>
  drafts.reduce((sum, draft) => sum + (draft.object.status?.[field] ?? 0), 0);

export function desiredReplicas(deployment: appsv1.Deployment): number {
  return deployment.spec?.replicas ?? 1;
}

/** Pods above the wanted number that a rolling update may make. */
export function maxSurge(deployment: appsv1.Deployment): number {
  return isRolling(deployment) ? fencePosts(deployment).surge : 0;
}

/** Pods below the wanted number that a rolling update may leave. */
export function maxUnavailable(deployment: appsv1.Deployment): number {
  const replicas = desiredReplicas(deployment);
  return isRolling(deployment) && replicas > 0 ? Math.min(fencePosts(deployment).unavailable, replicas) : 0;
}

export function isRolling(deployment: appsv1.Deployment): boolean {
  return deployment.spec?.strategy?.type !== "Recreate";
}

/** Both zero would never make progress: then one may be unavailable. */
function fencePosts(deployment: appsv1.Deployment): { surge: number; unavailable: number } {
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  const total = desiredReplicas(deployment);
  const surge = resolveIntOrPercent(rolling?.maxSurge, { total, roundUp: true, fallback: "25%" });
  const unavailable = resolveIntOrPercent(rolling?.maxUnavailable, { total, roundUp: false, fallback: "25%" });
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

/** Of several with the wanted template the oldest counts, so that all replicas of this controller choose alike. */
export function findNewReplicaSet(deployment: appsv1.Deployment, replicaSets: readonly appsv1.ReplicaSet[]): appsv1.ReplicaSet | undefined {
  return [...replicaSets].sort(byCreation).find((replicaSet) => isSameTemplate(replicaSet, deployment));
}

export function byCreation(a: appsv1.ReplicaSet, b: appsv1.ReplicaSet): number {
  const [first, second] = [creationKey(a), creationKey(b)];
  return first < second ? -1 : first > second ? 1 : 0;
}

function creationKey({ metadata }: appsv1.ReplicaSet): string {
  return `${metadata?.creationTimestamp ?? ""} ${metadata?.name ?? ""}`;
}

function isSameTemplate(replicaSet: appsv1.ReplicaSet, deployment: appsv1.Deployment): boolean {
  const { [HASH_LABEL]: _, ...labels } = replicaSet.spec?.template?.metadata?.labels ?? {};
  const wanted = deployment.spec?.template;
  const plain = (template: typeof wanted, templateLabels: Record<string, string>) => ({
    spec: template?.spec,
    metadata: { ...template?.metadata, labels: templateLabels, creationTimestamp: undefined },
  });
  const { [HASH_LABEL]: __, ...wantedLabels } = wanted?.metadata?.labels ?? {};
  return isSameJSON(plain(replicaSet.spec?.template, labels), plain(wanted, wantedLabels));
}

export function revisionOf(replicaSet: appsv1.ReplicaSet): number {
  const text = replicaSet.metadata?.annotations?.[REVISION] ?? "";
  return /^\d+$/.test(text) ? Number(text) : 0;
}

/** The revision that the current template has or gets. */
export function nextRevision(old: readonly appsv1.ReplicaSet[]): number {
  return Math.max(0, ...old.map(revisionOf)) + 1;
}

/** A ReplicaSet for the current template, with no replicas yet. */
export function newReplicaSet(deployment: appsv1.Deployment): appsv1.ReplicaSet {
  const template = deployment.spec?.template ?? {};
  const hash = templateHash(template, deployment.status?.collisionCount ?? 0);
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
  const { name = "", namespace } = deployment.metadata ?? {};
  const selector = deployment.spec?.selector ?? {};
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${name}-${hash}`,
      ...(namespace !== undefined && { namespace }),
      labels,
      ownerReferences: [controllerReference(deployment, DEPLOYMENT_KIND)],
    },
    spec: {
      replicas: 0,
      minReadySeconds: deployment.spec?.minReadySeconds ?? 0,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** Brings a draft's inherited annotations and revision up to date; a revision that moves on is remembered. */
export function applyRevision(draft: ReplicaSetDraft, deployment: appsv1.Deployment, revision: number): void {
  const current = draft.annotations[REVISION];
  for (const [key, value] of Object.entries(deployment.metadata?.annotations ?? {})) {
    if (!notInherited.has(key)) draft.annotations[key] = value;
  }
  if (Number(current ?? 0) < revision) {
    if (current !== undefined && !draft.isNew) {
      const history = draft.annotations[REVISION_HISTORY];
      const entries = history === undefined || history === "" ? [] : history.split(",");
      draft.annotations[REVISION_HISTORY] = [...entries, current].slice(-HISTORY_ENTRIES_MAX).join(",");
    }
    draft.annotations[REVISION] = String(revision);
  }
  if (draft.isNew) applySizeAnnotations(draft, deployment);
}

const HISTORY_ENTRIES_MAX = 100;

/** Records for which size of the Deployment this ReplicaSet was scaled: a later difference means the Deployment was resized. */
export function applySizeAnnotations(draft: ReplicaSetDraft, deployment: appsv1.Deployment): void {
  const replicas = desiredReplicas(deployment);
  draft.annotations[DESIRED_REPLICAS] = String(replicas);
  draft.annotations[MAX_REPLICAS] = String(replicas + maxSurge(deployment));
}

export function annotatedSize(draft: ReplicaSetDraft): { readonly desired: number | undefined; readonly max: number | undefined } {
  const read = (key: string): number | undefined => {
    const text = draft.object.metadata?.annotations?.[key] ?? "";
    return /^\d+$/.test(text) ? Number(text) : undefined;
  };
  return { desired: read(DESIRED_REPLICAS), max: read(MAX_REPLICAS) };
}

/** Sets a draft's size, with the annotations that go with it. */
export function resize(draft: ReplicaSetDraft, replicas: number, deployment: appsv1.Deployment, because: string): boolean {
  applySizeAnnotations(draft, deployment);
  if (draft.replicas === replicas) return false;
  draft.replicas = replicas;
  draft.because = because;
  return true;
}
