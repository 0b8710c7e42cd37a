// The Node object of this node and its Lease: made, kept alive, kept true.
//
// Owns:  node registration, node status, the node's Lease.
// Y1. The Lease is renewed every quarter of its duration whatever the node's state: it says the kubelet lives.
// Y2. Status is looked at every --node-status-update-frequency and written when it changed or five minutes have passed.
// Source: pkg/kubelet/kubelet_node_status.go, k8s.io/component-helpers/apimachinery/lease.
import { type Clock, delay, type Logger, type TaskGroup } from "@lenj/base";
import { type ApiClient, type EventRecorder, isAlreadyExists, isConflict, isNotFound, resources } from "@lenj/client";
import type { coordinationv1, corev1 } from "@lenj/proto/k8s";
import { conditionEvents, isSameStatus, type NodeFacts, type NodeHealth, nodeLabels, nodeStatus } from "../../core/node/node-status.js";
import { formatMicroTime, formatTime } from "../../core/time-text.js";

export interface NodeReporterOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recorder: EventRecorder;
  readonly nodeName: string;
  readonly facts: () => NodeFacts;
  readonly health: () => Promise<NodeHealth>;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly corev1.Taint[];
  readonly unschedulable: boolean;
  readonly registerNode: boolean;
  readonly statusIntervalMs: number;
  readonly statusReportMs: number;
  readonly leaseSeconds: number;
}

const leaseNamespace = "kube-node-lease";
const registerRetryMs = 1_000;
const registerRetryMaxMs = 7_000;

export class NodeReporter {
  #node: corev1.Node | undefined;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #wake = new AbortController();

  constructor(readonly options: NodeReporterOptions) {}

  start(tasks: TaskGroup): void {
    tasks.run("node status", (signal) => this.#statusLoop(signal));
    tasks.run("node lease", (signal) => this.#leaseLoop(signal));
  }

  get reference(): corev1.ObjectReference {
    const { nodeName } = this.options;
    // Upstream's kubelet uses the name as the UID of node references, and `kubectl describe node` looks for that.
    return { kind: "Node", apiVersion: "v1", name: nodeName, uid: nodeName };
  }

  get node(): corev1.Node | undefined {
    return this.#node;
  }

  /** The node as the api-server shows it now. */
  onNode(node: corev1.Node | undefined): void {
    this.#node = node;
    // Deleted under a living kubelet: it registers again.
    if (node === undefined) this.wake();
  }

  /** Looks at the status now. */
  wake(): void {
    this.#wake.abort(new Error("The node changed"));
  }

  async #statusLoop(signal: AbortSignal): Promise<void> {
    const { clock, logger, statusIntervalMs } = this.options;
    let retryMs = registerRetryMs;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      let waitMs = statusIntervalMs;
      try {
        await this.#sync(signal);
        retryMs = registerRetryMs;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn("Updating the node failed, will retry", { node: this.options.nodeName, error: (error as Error).message });
        waitMs = Math.min(retryMs, statusIntervalMs);
        retryMs = Math.min(retryMs * 2, registerRetryMaxMs);
      }
      await delay(clock, waitMs, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined);
    }
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const { client, nodeName, registerNode } = this.options;
    if (this.#node === undefined) {
      this.#node = await client.get<corev1.Node>(resources.nodes, { name: nodeName }, { signal }).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      if (this.#node === undefined && registerNode) this.#node = await this.#register(signal);
      if (this.#node === undefined) throw new Error(`node ${JSON.stringify(nodeName)} not found`);
      await this.#reconcileLabels(this.#node, signal);
    }
    await this.#reportStatus(this.#node, signal);
  }

  async #register(signal: AbortSignal): Promise<corev1.Node> {
    const { client, clock, logger, nodeName, labels, taints, unschedulable } = this.options;
    const facts = this.options.facts();
    const status = nodeStatus(facts, await this.options.health(), {}, formatTime(clock.wallMs()));
    const node: corev1.Node = {
      apiVersion: "v1",
      kind: "Node",
      metadata: {
        name: nodeName,
        labels: { ...nodeLabels(facts), ...labels },
        annotations: { "volumes.kubernetes.io/controller-managed-attach-detach": "true" },
      },
      spec: {
        ...(taints.length > 0 || unschedulable
          ? { taints: [...taints, ...(unschedulable ? [{ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" as const }] : [])] }
          : {}),
        ...(unschedulable ? { unschedulable: true } : {}),
      },
      status,
    };
    try {
      const created = await client.create<corev1.Node>(resources.nodes, node, { signal });
      logger.info("Registered node", { node: nodeName });
      this.#record("Normal", "Starting", "Starting kubelet.");
      return created;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return client.get<corev1.Node>(resources.nodes, { name: nodeName }, { signal });
    }
  }

  // Labels that describe the machine follow it; labels people set stay.
  async #reconcileLabels(node: corev1.Node, signal: AbortSignal): Promise<void> {
    const wanted = { ...nodeLabels(this.options.facts()), ...this.options.labels };
    const missing = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => node.metadata?.labels?.[key] !== value));
    if (Object.keys(missing).length === 0) return;
    this.#node = await this.options.client.patch<corev1.Node>(
      resources.nodes,
      { name: this.options.nodeName },
      { type: "strategic", body: { metadata: { labels: missing } } },
      { signal },
    );
  }

  async #reportStatus(node: corev1.Node, signal: AbortSignal): Promise<void> {
    const { client, clock, nodeName, statusReportMs } = this.options;
    const before = node.status ?? {};
    const status = nodeStatus(this.options.facts(), await this.options.health(), before, formatTime(clock.wallMs()));
    const ownConditions = (before.conditions ?? []).filter((condition) =>
      (status.conditions ?? []).some((own) => own.type === condition.type),
    );
    const due = clock.monotonicMs() - this.#reportedAtMs >= statusReportMs;
    if (!due && isSameStatus({ ...before, conditions: ownConditions }, status)) return;
    try {
      this.#node = await client.patch<corev1.Node>(
        resources.nodes,
        { name: nodeName },
        { type: "strategic", body: { status } },
        { subresource: "status", signal },
      );
    } catch (error) {
      if (isNotFound(error)) this.#node = undefined;
      throw error;
    }
    this.#reportedAtMs = clock.monotonicMs();
    for (const reason of conditionEvents(before.conditions ?? [], status.conditions ?? []))
      this.#record("Normal", reason, `Node ${nodeName} status is now: ${reason}`);
  }

  async #leaseLoop(signal: AbortSignal): Promise<void> {
    const { clock, logger, leaseSeconds } = this.options;
    let lease: coordinationv1.Lease | undefined;
    while (!signal.aborted) {
      let waitMs = (leaseSeconds * 1000) / 4;
      try {
        lease = await this.#renew(lease, signal);
      } catch (error) {
        if (signal.aborted) return;
        lease = undefined;
        logger.debug("Renewing the node lease failed, will retry", { error: (error as Error).message });
        waitMs = 1_000;
      }
      await delay(clock, waitMs, signal).catch(() => undefined);
    }
  }

  async #renew(known: coordinationv1.Lease | undefined, signal: AbortSignal): Promise<coordinationv1.Lease> {
    const { client, clock, nodeName, leaseSeconds } = this.options;
    const spec = { holderIdentity: nodeName, leaseDurationSeconds: leaseSeconds, renewTime: formatMicroTime(clock.wallMs()) };
    const uid = this.#node?.metadata?.uid;
    const owner = uid === undefined ? {} : { ownerReferences: [{ apiVersion: "v1", kind: "Node", name: nodeName, uid }] };
    const current =
      known ??
      (await client
        .get<coordinationv1.Lease>(resources.leases, { namespace: leaseNamespace, name: nodeName }, { signal })
        .catch((error: unknown) => {
          if (isNotFound(error)) return undefined;
          throw error;
        }));
    if (current === undefined) {
      const lease = {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: nodeName, namespace: leaseNamespace, ...owner },
        spec,
      };
      return client.create<coordinationv1.Lease>(resources.leases, lease, { signal });
    }
    const renewed = {
      ...current,
      metadata: { ...current.metadata, ...((current.metadata?.ownerReferences ?? []).length === 0 ? owner : {}) },
      spec: { ...current.spec, ...spec },
    };
    try {
      return await client.update<coordinationv1.Lease>(resources.leases, renewed, { signal });
    } catch (error) {
      if (!isConflict(error) || known === undefined) throw error;
      return this.#renew(undefined, signal);
    }
  }

  #record(type: "Normal" | "Warning", reason: string, message: string): void {
    this.options.recorder.event(this.reference, type, reason, message);
  }
}
