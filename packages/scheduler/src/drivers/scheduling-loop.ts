// Takes pods from the queue one at a time, decides, and writes the decision: a binding, or why there is none.
//
// B1. Decisions are made one after the other on a cache that counts what was decided before; bindings are written concurrently.
// B2. A decision whose binding fails is undone in the cache and the pod is tried again.
// The loop waits only for the queue (see #whenReady) and for preemption's writes.
import { type Clock, type Logger, type Random, TaskGroup } from "@lenj/base";
import {
  type ApiClient,
  type EventRecorder,
  type InformerFactory,
  isConflict,
  isNotFound,
  objectName,
  referenceTo,
  resources,
} from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { schedulePod } from "../core/cycle.js";
import { formatFitMessage, formatPreemptionMessage } from "../core/fit-message.js";
import type { Plugin, Rejection } from "../core/framework.js";
import { type NodeSnapshot, placePod } from "../core/node-snapshot.js";
import { type PreemptionPlan, planPreemption, preemptionObstacle } from "../core/preemption.js";
import { type QueuedPod, SchedulingQueue } from "../core/scheduling-queue.js";
import { ClusterCache } from "./cluster-cache.js";

export interface SchedulingLoopOptions {
  readonly client: ApiClient;
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Registry;
  readonly recorder: EventRecorder;
  readonly plugins: readonly Plugin[];
  readonly schedulerName: string;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
}

const podKind = { apiVersion: "v1", kind: "Pod" };
const unschedulableMaxMs = 300_000;

export class SchedulingLoop {
  readonly #cache: ClusterCache;
  readonly #queue: SchedulingQueue;
  readonly #bindings = new TaskGroup();
  readonly #attempts: Counter;
  readonly #durations: Histogram;
  #wake: (() => void) | undefined;
  #startOffset = 0;

  constructor(readonly options: SchedulingLoopOptions) {
    const { clock, informers, metrics, plugins, initialBackoffMs, maxBackoffMs, schedulerName } = options;
    this.#queue = new SchedulingQueue({ clock, plugins, initialBackoffMs, maxBackoffMs, unschedulableMaxMs });
    this.#cache = new ClusterCache(informers, schedulerName, {
      onUnassignedPod: (key, pod) => this.#touch(() => this.#queue.put(key, pod)),
      onPodGone: (key) => this.#touch(() => this.#queue.remove(key)),
      onEvent: (event) => this.#touch(() => this.#queue.onEvent(event)),
    });
    this.#attempts = new Counter({
      name: "scheduler_schedule_attempts_total",
      help: "Number of attempts to schedule pods, by the result.",
      labelNames: ["result", "profile"],
      registers: [metrics],
    });
    this.#durations = new Histogram({
      name: "scheduler_scheduling_algorithm_duration_seconds",
      help: "Scheduling algorithm latency in seconds",
      registers: [metrics],
    });
    const queue = this.#queue;
    new Gauge({
      name: "scheduler_pending_pods",
      help: "Number of pending pods, by the queue type.",
      labelNames: ["queue"],
      registers: [metrics],
      collect() {
        for (const [place, count] of Object.entries(queue.counts())) this.set({ queue: place }, count);
      },
    });
  }

  /** Runs until `signal` is aborted; rejects with its reason after all writes have ended. */
  async run(signal: AbortSignal): Promise<void> {
    await this.options.informers.waitForSync(signal);
    try {
      for (;;) {
        signal.throwIfAborted();
        const queued = this.#queue.take();
        if (queued === undefined) await this.#whenReady(signal);
        else await this.#schedule(queued);
      }
    } finally {
      await this.#bindings.close();
    }
  }

  async #schedule(queued: QueuedPod): Promise<void> {
    const { plugins, random, clock, schedulerName } = this.options;
    const snapshot = this.#cache.snapshot();
    const placed = placePod(queued.pod);
    const startedMs = clock.monotonicMs();
    const decision = schedulePod(placed, snapshot, plugins, { random, startOffset: this.#startOffset });
    this.#durations.observe((clock.monotonicMs() - startedMs) / 1_000);
    this.#attempts.inc({ result: decision.outcome === "placed" ? "scheduled" : "unschedulable", profile: schedulerName });
    if (decision.outcome === "placed") {
      this.#startOffset = (this.#startOffset + decision.evaluated) % Math.max(1, snapshot.nodes.length);
      this.#cache.assume(queued.pod, decision.node);
      this.#bindings.run(`bind ${queued.key}`, () => this.#bind(queued, decision.node));
      return;
    }
    await this.#reject(queued, snapshot, decision.rejections);
  }

  async #bind(queued: QueuedPod, node: string): Promise<void> {
    const { client, logger, recorder } = this.options;
    const { pod } = queued;
    const { namespace, name, uid } = pod.metadata ?? {};
    const binding: corev1.Binding = {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name: name ?? "", namespace: namespace ?? "", ...(uid === undefined ? {} : { uid }) },
      target: { kind: "Node", name: node },
    };
    try {
      await client.create(resources.pods, binding, { namespace: namespace ?? "", name: name ?? "", subresource: "binding" });
      this.#queue.done(queued.key);
      logger.info("Bound pod", { pod: queued.key, node, attempts: queued.attempts });
      recorder.event(referenceTo(pod, podKind), "Normal", "Scheduled", `Successfully assigned ${queued.key} to ${node}`);
    } catch (error) {
      this.#cache.forget(pod);
      // Gone or already bound: the watch takes it out of the queue.
      if (!isNotFound(error) && !isConflict(error)) logger.warn("Failed to bind pod", { pod: queued.key, node, error });
      this.#touch(() => this.#queue.requeueFailed(queued.key));
    }
  }

  async #reject(queued: QueuedPod, snapshot: NodeSnapshot, rejections: ReadonlyMap<string, Rejection>): Promise<void> {
    const { plugins, recorder, logger } = this.options;
    const obstacle = preemptionObstacle(queued.pod, this.#isPreemptionUnderWay(queued.pod));
    const plan = obstacle === undefined ? planPreemption(placePod(queued.pod), snapshot, rejections, plugins) : undefined;
    const unhelpful = plan === undefined ? (obstacle ?? formatPreemptionMessage(snapshot.nodes.length, rejections)) : undefined;
    const message = formatFitMessage(snapshot.nodes.length, rejections, unhelpful);
    this.#queue.requeueRejected(queued.key, new Set([...rejections.values()].map((rejection) => rejection.plugin)));
    logger.info("Unable to schedule pod", { pod: queued.key, message });
    recorder.event(referenceTo(queued.pod, podKind), "Warning", "FailedScheduling", message);
    if (plan !== undefined) await this.#preempt(queued.pod, plan);
    await this.#reportUnschedulable(queued.pod, message, plan?.node);
  }

  /** Victims of an earlier try may still be on their way out. */
  #isPreemptionUnderWay(pod: corev1.Pod): boolean {
    const nominated = this.#cache.pod(objectName(pod))?.status?.nominatedNodeName;
    if (!nominated) return false;
    return this.#cache
      .podsOfNode(nominated)
      .some((other) => other.metadata?.deletionTimestamp !== undefined && (other.spec?.priority ?? 0) < (pod.spec?.priority ?? 0));
  }

  async #preempt(pod: corev1.Pod, plan: PreemptionPlan): Promise<void> {
    const { client, recorder, logger } = this.options;
    for (const victim of plan.victims) {
      const { namespace, name, uid } = victim.metadata ?? {};
      const key = { namespace: namespace ?? "", name: name ?? "" };
      try {
        await client.delete(resources.pods, key, uid === undefined ? {} : { preconditions: { uid } });
        recorder.event(referenceTo(victim, podKind), "Normal", "Preempted", `Preempted by pod ${pod.metadata?.uid} on node ${plan.node}`);
        logger.info("Preempted pod", { pod: objectName(pod), victim: objectName(victim), node: plan.node });
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) logger.warn("Failed to preempt pod", { victim: objectName(victim), error });
      }
    }
  }

  async #reportUnschedulable(pod: corev1.Pod, message: string, nominatedNodeName: string | undefined): Promise<void> {
    const { client, clock, logger } = this.options;
    const known = this.#cache.pod(objectName(pod))?.status?.conditions?.find((condition) => condition.type === "PodScheduled");
    if (known?.status === "False" && known.message === message && nominatedNodeName === undefined) return;
    const now = new Date(clock.wallMs()).toISOString().replace(/\.\d+Z$/, "Z");
    const condition = {
      type: "PodScheduled",
      status: "False",
      reason: "Unschedulable",
      message,
      lastProbeTime: null,
      lastTransitionTime: known?.status === "False" ? known.lastTransitionTime : now,
    };
    const body = { status: { conditions: [condition], ...(nominatedNodeName === undefined ? {} : { nominatedNodeName }) } };
    try {
      await client.patch(
        resources.pods,
        { namespace: pod.metadata?.namespace ?? "", name: pod.metadata?.name ?? "" },
        { type: "strategic", body },
        { subresource: "status" },
      );
    } catch (error) {
      if (!isNotFound(error)) logger.warn("Failed to report unschedulable pod", { pod: objectName(pod), error });
    }
  }

  #touch(change: () => void): void {
    change();
    this.#wake?.();
  }

  /** Until a change, or until a back-off ends. */
  #whenReady(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const dueInMs = this.#queue.nextDueInMs();
      const timer = dueInMs === undefined ? undefined : this.options.clock.after(dueInMs, () => this.#wake?.());
      const settle = (finish: () => void): void => {
        this.#wake = undefined;
        timer?.cancel();
        signal.removeEventListener("abort", onAbort);
        finish();
      };
      const onAbort = (): void => settle(() => reject(signal.reason as Error));
      signal.addEventListener("abort", onAbort, { once: true });
      this.#wake = () => settle(resolve);
    });
  }
}
