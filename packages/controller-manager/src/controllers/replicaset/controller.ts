// ReplicaSet controller: keeps the number of pods that a ReplicaSet asks for.
//
// RS1. It creates and deletes only while its expectations are met, so that a stale cache never doubles work.
// RS2. The status is written after every reconcile, also when pods could not be made.
// Source: pkg/controller/replicaset.
import { compileLabelSelector } from "@lenj/apimachinery";
import { type Informer, isNotFound, type KubeObject, objectName, resources } from "@lenj/client";
import { Expectations, ReconcileLoop, type ReconcileResult, slowStartBatch } from "@lenj/controller-runtime";
import type { appsv1, corev1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { controllerOf, planClaims } from "../../core/owner.js";
import { availableAtMs, isPodActive, isPodAvailable, isPodReady } from "../../core/pod-state.js";
import { executeClaims } from "../../drivers/claim.js";
import { addControllerIndex } from "../../drivers/index-names.js";
import { PodControl } from "../../drivers/pod-control.js";
import { planReplicaSet, type ReplicaSetAction } from "./plan.js";
import { isSameReplicaSetStatus, type ReplicaSetStatusInput, replicaSetStatus } from "./status.js";

const KIND = { apiVersion: "apps/v1", kind: "ReplicaSet" } as const;

export function createReplicaSetController(context: ControllerContext): Controller {
  return new ReplicaSetController(context).loop;
}

class ReplicaSetController {
  readonly loop: ReconcileLoop;
  readonly #context: ControllerContext;
  readonly #replicaSets: Informer<appsv1.ReplicaSet>;
  readonly #pods: Informer<corev1.Pod>;
  readonly #podIndex: ReturnType<typeof addControllerIndex<corev1.Pod>>;
  readonly #replicaSetIndex: ReturnType<typeof addControllerIndex<appsv1.ReplicaSet>>;
  readonly #expectations: Expectations;
  readonly #podControl: PodControl;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#replicaSets = context.informers.informer<appsv1.ReplicaSet>(resources.replicaSets);
    this.#pods = context.informers.informer<corev1.Pod>(resources.pods);
    this.#podIndex = addControllerIndex(this.#pods);
    this.#replicaSetIndex = addControllerIndex(this.#replicaSets);
    this.#expectations = new Expectations(context.clock);
    this.#podControl = new PodControl(context.client, context.recorder("replicaset-controller"), KIND);
    this.loop = new ReconcileLoop({
      name: "replicaset",
      reconcile: (name, signal) => this.#reconcile(name, signal),
      isReady: async (signal) => {
        await Promise.all([this.#replicaSets.whenSynced(signal), this.#pods.whenSynced(signal)]);
      },
      workers: context.config.concurrentReplicaSetSyncs,
      clock: context.clock,
      logger: context.logger,
      metrics: context.queueMetrics("replicaset"),
    });
    this.#listen();
  }

  #listen(): void {
    const { queue } = this.loop;
    this.#replicaSets.addHandler({
      onAdd: (replicaSet) => queue.add(objectName(replicaSet)),
      onUpdate: (_, replicaSet) => queue.add(objectName(replicaSet)),
      onDelete: (replicaSet) => {
        this.#expectations.forget(objectName(replicaSet));
        queue.add(objectName(replicaSet));
      },
    });
    this.#pods.addHandler({
      onAdd: (pod) => this.#onPodAdded(pod),
      onUpdate: (previous, pod) => this.#onPodUpdated(previous, pod),
      onDelete: (pod) => this.#onPodDeleted(pod),
    });
  }

  #onPodAdded(pod: corev1.Pod): void {
    if (pod.metadata?.deletionTimestamp !== undefined) {
      this.#onPodDeleted(pod);
      return;
    }
    const owner = this.#ownerName(pod);
    if (owner === undefined) {
      this.#enqueueAdopters(pod);
      return;
    }
    this.#expectations.onCreation(owner);
    this.loop.queue.add(owner);
  }

  #onPodUpdated(previous: corev1.Pod, pod: corev1.Pod): void {
    if (pod.metadata?.deletionTimestamp !== undefined) {
      this.#onPodDeleted(pod);
      return;
    }
    const before = this.#ownerName(previous);
    const owner = this.#ownerName(pod);
    if (before !== undefined && before !== owner) this.loop.queue.add(before);
    if (owner === undefined) {
      this.#enqueueAdopters(pod);
      return;
    }
    this.loop.queue.add(owner);
  }

  #onPodDeleted(pod: corev1.Pod): void {
    const owner = this.#ownerName(pod);
    if (owner === undefined) return;
    this.#expectations.onDeletion(owner, objectName(pod));
    this.loop.queue.add(owner);
  }

  #ownerName(pod: KubeObject): string | undefined {
    const reference = controllerOf(pod);
    if (reference?.kind !== KIND.kind) return undefined;
    const replicaSet = this.#replicaSets.lister.get(pod.metadata?.namespace, reference.name);
    return replicaSet?.metadata?.uid === reference.uid ? objectName(replicaSet) : undefined;
  }

  #enqueueAdopters(pod: corev1.Pod): void {
    if (controllerOf(pod) !== undefined || pod.metadata?.labels === undefined) return;
    for (const replicaSet of this.#replicaSets.lister.list(pod.metadata.namespace)) {
      if (compileLabelSelector(replicaSet.spec?.selector).matches(pod.metadata.labels)) this.loop.queue.add(objectName(replicaSet));
    }
  }

  async #reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult | undefined> {
    const replicaSet = this.#replicaSets.lister.getByKey(name);
    if (replicaSet === undefined) {
      this.#expectations.forget(name);
      return undefined;
    }
    const isSettled = this.#expectations.isSatisfied(name);
    const pods = await this.#claimPods(replicaSet, signal);
    const activePods = pods.filter(isPodActive);
    const terminatingPods = pods.filter(
      (pod) => pod.metadata?.deletionTimestamp !== undefined && pod.status?.phase !== "Succeeded" && pod.status?.phase !== "Failed",
    );
    const nowMs = this.#context.clock.wallMs();
    let problem: { error: Error; failure: ReplicaSetStatusInput["failure"] } | undefined;
    if (isSettled && replicaSet.metadata?.deletionTimestamp === undefined) {
      const relatedPodsByNode = this.#relatedPodsByNode(replicaSet);
      const action = planReplicaSet({ replicaSet, activePods, relatedPodsByNode, nowMs });
      if (action !== undefined) problem = await this.#execute(replicaSet, action, signal);
    }
    await this.#writeStatus({ replicaSet, activePods, terminatingPods, failure: problem?.failure, nowMs }, signal);
    if (problem !== undefined) throw problem.error;
    return nextLook(replicaSet, activePods, nowMs);
  }

  async #claimPods(replicaSet: appsv1.ReplicaSet, signal: AbortSignal): Promise<corev1.Pod[]> {
    const { namespace = "", uid = "" } = replicaSet.metadata ?? {};
    const candidates = [...this.#podIndex.ofController(uid), ...this.#podIndex.orphansIn(namespace).filter(isPodActive)];
    const claims = planClaims(replicaSet, compileLabelSelector(replicaSet.spec?.selector), candidates);
    const { client } = this.#context;
    return executeClaims(claims, {
      client,
      owner: replicaSet,
      ownerKind: KIND,
      ownerResource: resources.replicaSets,
      resource: resources.pods,
      signal,
    });
  }

  /** Pods of this ReplicaSet and of its siblings under the same Deployment, counted a node. */
  #relatedPodsByNode(replicaSet: appsv1.ReplicaSet): Map<string, number> {
    const owner = controllerOf(replicaSet);
    const family = owner === undefined ? [replicaSet] : this.#replicaSetIndex.ofController(owner.uid);
    const counts = new Map<string, number>();
    for (const member of family) {
      for (const pod of this.#podIndex.ofController(member.metadata?.uid ?? "")) {
        const node = pod.spec?.nodeName ?? "";
        if (isPodActive(pod)) counts.set(node, (counts.get(node) ?? 0) + 1);
      }
    }
    return counts;
  }

  async #execute(
    replicaSet: appsv1.ReplicaSet,
    action: ReplicaSetAction,
    signal: AbortSignal,
  ): Promise<{ error: Error; failure: ReplicaSetStatusInput["failure"] } | undefined> {
    const name = objectName(replicaSet);
    if (action.verb === "createPods") {
      this.#expectations.expectCreations(name, action.count);
      const template = replicaSet.spec?.template ?? {};
      const create = async (): Promise<void> => void (await this.#podControl.create(replicaSet, template, signal));
      const result = await slowStartBatch(action.count, create);
      this.#expectations.onCreation(name, action.count - result.succeeded);
      if (result.error === undefined) return undefined;
      const error = result.error as Error;
      return { error, failure: { reason: "FailedCreate", message: error.message } };
    }
    this.#expectations.expectDeletions(name, action.pods.map(objectName));
    const results = await Promise.allSettled(
      action.pods.map(async (pod) => {
        try {
          await this.#podControl.delete(replicaSet, pod, signal);
        } catch (error) {
          this.#expectations.onDeletion(name, objectName(pod));
          throw error;
        }
      }),
    );
    const failed = results.find((result) => result.status === "rejected");
    if (failed === undefined) return undefined;
    const error = failed.reason as Error;
    return { error, failure: { reason: "FailedDelete", message: error.message } };
  }

  async #writeStatus(input: ReplicaSetStatusInput, signal: AbortSignal): Promise<void> {
    const { replicaSet } = input;
    const status = replicaSetStatus(input);
    if (isSameReplicaSetStatus(replicaSet.status, status)) return;
    try {
      await this.#context.client.update(resources.replicaSets, { ...replicaSet, status }, { subresource: "status", signal });
    } catch (error) {
      // Deleted meanwhile: its status interests nobody.
      if (!isNotFound(error)) throw error;
    }
  }
}

/** When the next ready pod becomes available, no event will tell. */
function nextLook(replicaSet: appsv1.ReplicaSet, activePods: readonly corev1.Pod[], nowMs: number): ReconcileResult | undefined {
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
  if (minReadySeconds === 0) return undefined;
  const waiting = activePods.filter((pod) => isPodReady(pod) && !isPodAvailable(pod, minReadySeconds, nowMs));
  if (waiting.length === 0) return undefined;
  return { requeueAfterMs: Math.max(1, Math.min(...waiting.map((pod) => availableAtMs(pod, minReadySeconds))) - nowMs) };
}
