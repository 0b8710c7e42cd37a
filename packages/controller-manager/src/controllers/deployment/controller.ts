// Deployment controller: drives a Deployment's ReplicaSets; the ReplicaSet controller drives the pods.
//
// DC1. Every write carries the resource version observed: a stale cache loses with a conflict and is retried.
// DC2. A ReplicaSet that exists under the new name already is ours if owner and template agree; otherwise the
//      collision is counted, which gives the next attempt another name.
// Source: pkg/controller/deployment.
import { compileLabelSelector } from "@lenj/apimachinery";
import {
  type EventRecorder,
  type Informer,
  isAlreadyExists,
  isApiError,
  isNamespaceTerminating,
  isNotFound,
  type KubeObject,
  objectName,
  referenceTo,
  resources,
} from "@lenj/client";
import { ReconcileLoop, type ReconcileResult } from "@lenj/controller-runtime";
import type { appsv1, corev1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { isSameJSON } from "../../core/canonical-json.js";
import { controllerOf, planClaims } from "../../core/owner.js";
import { executeClaims } from "../../drivers/claim.js";
import { addControllerIndex } from "../../drivers/index-names.js";
import { uidPrecondition } from "../../drivers/pod-control.js";
import { type DeploymentAction, type DeploymentPlan, planDeployment } from "./plan.js";
import { findNewReplicaSet, DEPLOYMENT_KIND as KIND, REVISION } from "./replica-sets.js";
import { deadlineSeconds, withCondition } from "./status.js";

export function createDeploymentController(context: ControllerContext): Controller {
  return new DeploymentController(context).loop;
}

class DeploymentController {
  readonly loop: ReconcileLoop;
  readonly #context: ControllerContext;
  readonly #recorder: EventRecorder;
  readonly #deployments: Informer<appsv1.Deployment>;
  readonly #replicaSets: Informer<appsv1.ReplicaSet>;
  readonly #pods: Informer<corev1.Pod>;
  readonly #replicaSetIndex: ReturnType<typeof addControllerIndex<appsv1.ReplicaSet>>;
  readonly #podIndex: ReturnType<typeof addControllerIndex<corev1.Pod>>;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#recorder = context.recorder("deployment-controller");
    this.#deployments = context.informers.informer<appsv1.Deployment>(resources.deployments);
    this.#replicaSets = context.informers.informer<appsv1.ReplicaSet>(resources.replicaSets);
    this.#pods = context.informers.informer<corev1.Pod>(resources.pods);
    this.#replicaSetIndex = addControllerIndex(this.#replicaSets);
    this.#podIndex = addControllerIndex(this.#pods);
    this.loop = new ReconcileLoop({
      name: "deployment",
      reconcile: (name, signal) => this.#reconcile(name, signal),
      isReady: async (signal) => {
        await Promise.all([this.#deployments.whenSynced(signal), this.#replicaSets.whenSynced(signal), this.#pods.whenSynced(signal)]);
      },
      workers: context.config.concurrentDeploymentSyncs,
      clock: context.clock,
      logger: context.logger,
      metrics: context.queueMetrics("deployment"),
    });
    this.#listen();
  }

  #listen(): void {
    const enqueue = (deployment: appsv1.Deployment): void => this.loop.queue.add(objectName(deployment));
    this.#deployments.addHandler({ onAdd: enqueue, onUpdate: (_, deployment) => enqueue(deployment), onDelete: enqueue });
    this.#replicaSets.addHandler({
      onAdd: (replicaSet) => this.#onReplicaSet(replicaSet),
      onUpdate: (previous, replicaSet) => {
        this.#enqueueOwner(previous);
        this.#onReplicaSet(replicaSet);
      },
      onDelete: (replicaSet) => this.#enqueueOwner(replicaSet),
    });
    // A Recreate rollout goes on when the last old pod is gone; ReplicaSet status alone shows only running ones.
    this.#pods.addHandler({ onDelete: (pod) => this.#onPodDeleted(pod) });
  }

  #onReplicaSet(replicaSet: appsv1.ReplicaSet): void {
    if (controllerOf(replicaSet) !== undefined) {
      this.#enqueueOwner(replicaSet);
      return;
    }
    if (replicaSet.metadata?.labels === undefined) return;
    for (const deployment of this.#deployments.lister.list(replicaSet.metadata.namespace)) {
      if (compileLabelSelector(deployment.spec?.selector).matches(replicaSet.metadata.labels)) this.loop.queue.add(objectName(deployment));
    }
  }

  #enqueueOwner(object: KubeObject): void {
    const owner = controllerOf(object);
    if (owner?.kind === KIND.kind) this.loop.queue.add(`${object.metadata?.namespace ?? ""}/${owner.name}`);
  }

  #onPodDeleted(pod: corev1.Pod): void {
    const owner = controllerOf(pod);
    if (owner?.kind !== "ReplicaSet") return;
    const replicaSet = this.#replicaSets.lister.get(pod.metadata?.namespace, owner.name);
    if (replicaSet === undefined) return;
    const deployment = this.#deployments.lister.get(pod.metadata?.namespace, controllerOf(replicaSet)?.name ?? "");
    if (deployment?.spec?.strategy?.type === "Recreate") this.loop.queue.add(objectName(deployment));
  }

  async #reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult | undefined> {
    const deployment = this.#deployments.lister.getByKey(name);
    if (deployment === undefined) return undefined;
    const selector = compileLabelSelector(deployment.spec?.selector);
    if (selector.isEverything) {
      this.#recorder.event(
        referenceTo(deployment, KIND),
        "Warning",
        "SelectingAll",
        "This deployment is selecting all pods. A non-empty selector is required.",
      );
      return undefined;
    }
    const { namespace = "", uid = "" } = deployment.metadata ?? {};
    const candidates = [...this.#replicaSetIndex.ofController(uid), ...this.#replicaSetIndex.orphansIn(namespace)];
    const { client, clock } = this.#context;
    const replicaSets = await executeClaims(planClaims(deployment, selector, candidates), {
      client,
      owner: deployment,
      ownerKind: KIND,
      ownerResource: resources.deployments,
      resource: resources.replicaSets,
      signal,
    });
    const podsOf = (replicaSetUID: string): readonly corev1.Pod[] => this.#podIndex.ofController(replicaSetUID);
    const plan = planDeployment({ deployment, replicaSets, podsOf, nowMs: clock.wallMs() });
    for (const action of plan.actions) await this.#execute(deployment, action, signal);
    await this.#writeStatus(deployment, plan.status, plan.revision, signal);
    return plan.requeueAfterMs === undefined ? undefined : { requeueAfterMs: plan.requeueAfterMs };
  }

  async #execute(deployment: appsv1.Deployment, action: DeploymentAction, signal: AbortSignal): Promise<void> {
    const { client, logger } = this.#context;
    const { replicaSet, because } = action;
    logger.debug("Executing", { deployment: objectName(deployment), verb: action.verb, replicaSet: replicaSet.metadata?.name, because });
    if (action.verb === "createReplicaSet") {
      await this.#createReplicaSet(deployment, replicaSet, signal);
    } else if (action.verb === "updateReplicaSet") {
      await client.update(resources.replicaSets, replicaSet, { signal });
      this.#recordScaling(deployment, replicaSet, action.previousReplicas);
    } else {
      const { namespace = "", name = "" } = replicaSet.metadata ?? {};
      await client
        .delete(resources.replicaSets, { namespace, name }, { ...uidPrecondition(replicaSet), propagationPolicy: "Background", signal })
        .catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
    }
  }

  #recordScaling(deployment: appsv1.Deployment, replicaSet: appsv1.ReplicaSet, previous: number): void {
    const replicas = replicaSet.spec?.replicas ?? 0;
    if (replicas === previous) return;
    const direction = replicas > previous ? "up" : "down";
    const message = `Scaled ${direction} replica set ${replicaSet.metadata?.name ?? ""} from ${previous} to ${replicas}`;
    this.#recorder.event(referenceTo(deployment, KIND), "Normal", "ScalingReplicaSet", message);
  }

  async #createReplicaSet(deployment: appsv1.Deployment, replicaSet: appsv1.ReplicaSet, signal: AbortSignal): Promise<void> {
    try {
      await this.#context.client.create(resources.replicaSets, replicaSet, { signal });
      this.#recordScaling(deployment, replicaSet, 0);
    } catch (error) {
      if (isAlreadyExists(error)) await this.#onNameTaken(deployment, replicaSet, error, signal);
      else await this.#onCreateFailed(deployment, error, signal);
    }
  }

  async #onNameTaken(deployment: appsv1.Deployment, replicaSet: appsv1.ReplicaSet, error: Error, signal: AbortSignal): Promise<void> {
    const { namespace = "", name = "" } = replicaSet.metadata ?? {};
    const existing = await this.#context.client.get<appsv1.ReplicaSet>(resources.replicaSets, { namespace, name }, { signal });
    const isOurs = controllerOf(existing)?.uid === deployment.metadata?.uid && findNewReplicaSet(deployment, [existing]) !== undefined;
    if (isOurs) return;
    const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
    await this.#context.client.update(resources.deployments, { ...deployment, status }, { subresource: "status", signal });
    throw error;
  }

  async #onCreateFailed(deployment: appsv1.Deployment, error: unknown, signal: AbortSignal): Promise<never> {
    if (!isApiError(error) || isNamespaceTerminating(error)) throw error;
    const message = `Failed to create new replica set: ${error.message}`;
    this.#recorder.event(referenceTo(deployment, KIND), "Warning", "ReplicaSetCreateError", message);
    if (deadlineSeconds(deployment) !== undefined) {
      const conditions = withCondition(
        deployment.status?.conditions ?? [],
        { type: "Progressing", status: "False", reason: "ReplicaSetCreateError", message: error.message },
        this.#context.clock.wallMs(),
      );
      await this.#writeStatus(deployment, { ...deployment.status, conditions }, undefined, signal);
    }
    throw error;
  }

  /** The revision annotation travels with the status: it must not count as a change of the Deployment (generation). */
  async #writeStatus(
    deployment: appsv1.Deployment,
    status: DeploymentPlan["status"],
    revision: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const annotations = deployment.metadata?.annotations ?? {};
    const hasRevision = revision === undefined || annotations[REVISION] === revision;
    if (hasRevision && isSameDeploymentStatus(deployment.status, status)) return;
    const metadata = hasRevision ? deployment.metadata : { ...deployment.metadata, annotations: { ...annotations, [REVISION]: revision } };
    try {
      await this.#context.client.update(
        resources.deployments,
        { ...deployment, ...(metadata !== undefined && { metadata }), status },
        { subresource: "status", signal },
      );
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** Counters that are absent count as zero, as the api-server leaves them out. */
function isSameDeploymentStatus(a: appsv1.DeploymentStatus | undefined, b: appsv1.DeploymentStatus): boolean {
  const counters = [
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "terminatingReplicas",
    "collisionCount",
  ] as const;
  const byType = (status: appsv1.DeploymentStatus | undefined) =>
    [...(status?.conditions ?? [])].sort((x, y) => (x.type < y.type ? -1 : 1));
  return counters.every((name) => (a?.[name] ?? 0) === (b[name] ?? 0)) && isSameJSON(byType(a), byType(b));
}
