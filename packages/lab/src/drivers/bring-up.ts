// From started processes to a cluster that is Ready: waits for each part, writes what the lab itself adds to the cluster.
import type { Clock } from "@lenj/base";
import { delay } from "@lenj/base";
import { type ApiClient, isNotFound, type KubeObject, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import { clusterObjects } from "../core/cluster-objects.js";
import type { ProgressEvent } from "../core/control.js";
import { parseStoreStatus, type StoreStatus } from "../core/store-status.js";
import { type LabConfig, nodeAddress, nodeName, ordinals, storeAddress, storePorts } from "../core/topology.js";
import type { Supervisor } from "./supervisor.js";

const pollMs = 50;

/** The steps of a start, replayed to whoever asks and followed until the end. */
export class Progress {
  readonly #events: ProgressEvent[] = [];
  #wake: (() => void)[] = [];
  readonly #startedMs: number;

  constructor(readonly clock: Clock) {
    this.#startedMs = clock.monotonicMs();
  }

  step(text: string): void {
    this.#add({ type: "step", text, elapsedMs: this.#elapsedMs() });
  }

  ready(): void {
    this.#add({ type: "ready", elapsedMs: this.#elapsedMs() });
  }

  failed(error: string): void {
    this.#add({ type: "failed", error });
  }

  get phase(): "starting" | "ready" | "failed" {
    const last = this.#events.at(-1)?.type;
    return last === "ready" || last === "failed" ? last : "starting";
  }

  async *follow(): AsyncIterable<ProgressEvent> {
    for (let position = 0; ; position++) {
      while (position >= this.#events.length) {
        if (this.phase !== "starting") return;
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
      yield this.#events[position] as ProgressEvent;
    }
  }

  #elapsedMs(): number {
    return Math.round(this.clock.monotonicMs() - this.#startedMs);
  }

  #add(event: ProgressEvent): void {
    this.#events.push(event);
    for (const wake of this.#wake.splice(0)) wake();
  }
}

export interface BringUpOptions {
  readonly supervisor: Supervisor;
  readonly config: LabConfig;
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Waits until all is Ready; says each step. Never gives up by itself: what blocks is visible in the last step. */
export async function bringUp(options: BringUpOptions): Promise<void> {
  const { config, client, progress } = options;
  const leader = await until(options, async () => [...(await readStores(config)).entries()].find(([, { role }]) => role === "leader")?.[0]);
  progress.step(`store: ${config.storeReplicas} ${config.storeReplicas === 1 ? "replica" : "replicas"}, leader ${leader}`);
  await until(options, () => succeeds(() => client.list(resources.namespaces, { limit: 1, signal: options.signal })));
  progress.step("api-server: answers");
  await ensureClusterObjects(options);
  progress.step("cluster: DNS service and roles in place");
  const nodes = await until(options, () => readyNodes(options));
  await routePodNetworks(options, nodes);
  progress.step(`nodes: ${nodes.map((node) => node.metadata?.name).join(", ")} Ready`);
  await until(options, () => controlPlaneLeads(options));
  progress.step("scheduler and controller-manager: lead");
}

async function until<T>(options: BringUpOptions, probe: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    options.signal.throwIfAborted();
    const found = await probe();
    if (found !== undefined) return found;
    await delay(options.clock, pollMs, options.signal);
  }
}

async function succeeds(call: () => Promise<unknown>): Promise<true | undefined> {
  try {
    await call();
    return true;
  } catch {
    return undefined;
  }
}

/** Replicas by name, from their metrics; those that do not answer are absent. */
export async function readStores(config: LabConfig): Promise<ReadonlyMap<string, StoreStatus>> {
  const found = await Promise.all(
    ordinals(config.storeReplicas).map(async (n): Promise<[string, StoreStatus] | undefined> => {
      try {
        const response = await fetch(`http://${storeAddress(n)}:${storePorts.metrics}/metrics`, { signal: AbortSignal.timeout(1_000) });
        return [`store-${n}`, parseStoreStatus(await response.text())];
      } catch {
        return undefined;
      }
    }),
  );
  return new Map(found.filter((store) => store !== undefined));
}

async function ensureClusterObjects(options: BringUpOptions): Promise<void> {
  for (const { resource, object } of clusterObjects()) {
    await until(options, async () => {
      const { namespace, name = "" } = object.metadata ?? {};
      try {
        // Looked up first: creating a Service that exists fails on its address, not on its name.
        await options.client.get(resource, { name, ...(namespace === undefined ? {} : { namespace }) }, { signal: options.signal });
        return true;
      } catch (error) {
        if (!isNotFound(error)) return undefined;
      }
      return succeeds(() => options.client.create<KubeObject>(resource, object, { signal: options.signal }));
    });
  }
}

export const isNodeReady = (node: corev1.Node): boolean =>
  (node.status?.conditions ?? []).some((condition) => condition.type === "Ready" && condition.status === "True");

async function readyNodes(options: BringUpOptions): Promise<corev1.Node[] | undefined> {
  try {
    const { items } = await options.client.list<corev1.Node>(resources.nodes, { signal: options.signal });
    const ready = items.filter(isNodeReady);
    const expected = ordinals(options.config.nodes).map(nodeName);
    return expected.every((name) => ready.some((node) => node.metadata?.name === name)) ? ready : undefined;
  } catch {
    return undefined;
  }
}

async function routePodNetworks(options: BringUpOptions, nodes: readonly corev1.Node[]): Promise<void> {
  for (const n of ordinals(options.config.nodes)) {
    const podCIDR = nodes.find((node) => node.metadata?.name === nodeName(n))?.spec?.podCIDR;
    if (podCIDR !== undefined) await options.supervisor.routePods(podCIDR, nodeAddress(n));
  }
}

async function controlPlaneLeads(options: BringUpOptions): Promise<true | undefined> {
  return succeeds(async () => {
    for (const name of ["kube-scheduler", "kube-controller-manager"]) {
      await options.client.get(resources.leases, { namespace: "kube-system", name }, { signal: options.signal });
    }
  });
}
