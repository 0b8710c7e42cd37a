// Watches Services, EndpointSlices and Nodes and keeps the kernel at what they say.
//
// Y1. A change is applied at once, or `minSyncPeriodMs` after the last sync; changes in between are one sync.
// Y2. A failed sync is tried again after `retryMs`; the loop itself never ends by it.
import type { Clock, Logger } from "@lenj/base";
import { delay } from "@lenj/base";
import { type Informer, type InformerFactory, resources } from "@lenj/client";
import type { corev1, discoveryv1 } from "@lenj/proto/k8s";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { nodeInternalIP, planRoutes } from "../core/route-plan.js";
import { planRules } from "../core/rule-plan.js";
import { observeServicePorts, type ServicePort } from "../core/service-map.js";
import { planStaleFlows } from "../core/stale-flows.js";
import { KernelRules } from "./kernel-rules.js";

export interface SyncLoopOptions {
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
  readonly nodeName: string;
  readonly clusterCIDR: string;
  readonly minSyncPeriodMs: number;
}

const retryMs = 1_000;

export class SyncLoop {
  readonly #kernel: KernelRules;
  readonly #services: Informer<corev1.Service>;
  readonly #slices: Informer<discoveryv1.EndpointSlice>;
  readonly #nodes: Informer<corev1.Node>;
  readonly #durations: Histogram;
  readonly #failures: Counter;
  readonly #lastSync: Gauge;
  #ports: readonly ServicePort[] = [];
  #dirty = true;
  #wake: (() => void) | undefined;
  #syncedOnce = false;

  constructor(readonly options: SyncLoopOptions) {
    const { informers, metrics } = options;
    this.#kernel = new KernelRules(options.logger);
    this.#services = informers.informer<corev1.Service>(resources.services);
    this.#slices = informers.informer<discoveryv1.EndpointSlice>(resources.endpointSlices);
    this.#nodes = informers.informer<corev1.Node>(resources.nodes, { transform: keepNetworkOfNode });
    const changed = { onAdd: () => this.#touch(), onUpdate: () => this.#touch(), onDelete: () => this.#touch() };
    this.#services.addHandler(changed);
    this.#slices.addHandler(changed);
    this.#nodes.addHandler(changed);
    this.#durations = new Histogram({
      name: "kubeproxy_sync_proxy_rules_duration_seconds",
      help: "SyncProxyRules latency in seconds",
      registers: [metrics],
    });
    this.#failures = new Counter({
      name: "kubeproxy_sync_proxy_rules_nftables_sync_failures_total",
      help: "Cumulative proxy nftables sync failures",
      registers: [metrics],
    });
    this.#lastSync = new Gauge({
      name: "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
      help: "The last time proxy rules were successfully synced",
      registers: [metrics],
    });
  }

  /** True once the kernel was brought to a complete state. */
  get hasSynced(): boolean {
    return this.#syncedOnce;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { informers, clock, logger, minSyncPeriodMs } = this.options;
    await informers.waitForSync(signal);
    for (;;) {
      await this.#whenDirty(signal);
      this.#dirty = false;
      try {
        await this.#sync();
        await delay(clock, minSyncPeriodMs, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#failures.inc();
        this.#dirty = true;
        logger.error("Sync failed", { error });
        await delay(clock, retryMs, signal);
      }
    }
  }

  async #sync(): Promise<void> {
    const { clock, nodeName, clusterCIDR, logger } = this.options;
    const startedMs = clock.monotonicMs();
    const nodes = this.#nodes.lister.list();
    const ownIP = nodes.filter((node) => node.metadata?.name === nodeName).flatMap((node) => nodeInternalIP(node) ?? []);
    const ports = observeServicePorts(this.#services.lister.list(), this.#slices.lister.list(), nodeName);
    const options = { clusterCIDR, nodeIPs: ownIP };
    const rulesChanged = await this.#kernel.syncRules(planRules(ports, options), options);
    const routesChanged = await this.#kernel.syncRoutes(planRoutes(nodes, nodeName));
    for (const flow of planStaleFlows(this.#ports, ports)) await this.#kernel.forgetFlows(flow.serviceIP, flow.port, flow.endpointIP);
    this.#ports = ports;
    const tookMs = clock.monotonicMs() - startedMs;
    this.#durations.observe(tookMs / 1_000);
    this.#lastSync.set(clock.wallMs() / 1_000);
    if (!this.#syncedOnce || rulesChanged || routesChanged)
      logger.info("Synced", { servicePorts: ports.length, rulesChanged, routesChanged, tookMs: Math.round(tookMs) });
    this.#syncedOnce = true;
  }

  #touch(): void {
    this.#dirty = true;
    this.#wake?.();
  }

  #whenDirty(signal: AbortSignal): Promise<void> {
    if (this.#dirty) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#wake = () => {
        this.#wake = undefined;
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
    });
  }
}

/** Nodes change every few seconds in ways the proxy does not care for; what it keeps is small. */
function keepNetworkOfNode(node: corev1.Node): corev1.Node {
  const { name, uid, resourceVersion } = node.metadata ?? {};
  return {
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: {
      ...(node.spec?.podCIDR === undefined ? {} : { podCIDR: node.spec.podCIDR }),
      ...(node.spec?.podCIDRs === undefined ? {} : { podCIDRs: node.spec.podCIDRs }),
    },
    status: { addresses: node.status?.addresses ?? [] },
  };
}
