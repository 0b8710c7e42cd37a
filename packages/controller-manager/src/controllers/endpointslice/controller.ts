// EndpointSlice controller: publishes where the pods behind each Service can be reached.
//
// ESC1. A slice is written only from a cache that shows our own last write to it: what was written is remembered by
//       generation of the slice, and a Service whose slices are older in the cache waits for the watch.
// Source: pkg/controller/endpointslice.
import { compileLabelMap } from "@lenj/apimachinery";
import { type Informer, isNamespaceTerminating, isNotFound, objectName, parseObjectName, resources } from "@lenj/client";
import { allOrFirstError, ReconcileLoop } from "@lenj/controller-runtime";
import type { corev1, discoveryv1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { isSameJSON } from "../../core/canonical-json.js";
import { uidPrecondition } from "../../drivers/pod-control.js";
import { MANAGED_BY, MANAGED_BY_LABEL, planEndpointSlices, SERVICE_NAME_LABEL } from "./plan.js";
import { SliceTracker } from "./slice-tracker.js";

const BY_SERVICE = "service";
const STALE_RETRY_MS = 1_000;
/** Changes of many pods of one Service are taken together. */
const BATCH_MS = 50;

export function createEndpointSliceController(context: ControllerContext): Controller {
  return new EndpointSliceController(context).loop;
}

class EndpointSliceController {
  readonly loop: ReconcileLoop;
  readonly #context: ControllerContext;
  readonly #services: Informer<corev1.Service>;
  readonly #pods: Informer<corev1.Pod>;
  readonly #nodes: Informer<corev1.Node>;
  readonly #slices: Informer<discoveryv1.EndpointSlice>;
  readonly #tracker = new SliceTracker();

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#services = context.informers.informer<corev1.Service>(resources.services);
    this.#pods = context.informers.informer<corev1.Pod>(resources.pods);
    this.#nodes = context.informers.informer<corev1.Node>(resources.nodes);
    this.#slices = context.informers.informer<discoveryv1.EndpointSlice>(resources.endpointSlices);
    this.#slices.addIndex(BY_SERVICE, (slice) => [serviceNameOf(slice)]);
    this.loop = new ReconcileLoop({
      name: "endpoint_slice",
      reconcile: (name, signal) => this.#reconcile(name, signal),
      isReady: async (signal) => {
        await Promise.all([
          this.#services.whenSynced(signal),
          this.#pods.whenSynced(signal),
          this.#nodes.whenSynced(signal),
          this.#slices.whenSynced(signal),
        ]);
      },
      workers: context.config.concurrentServiceEndpointSyncs,
      clock: context.clock,
      logger: context.logger,
      metrics: context.queueMetrics("endpoint_slice"),
    });
    this.#listen();
  }

  #listen(): void {
    const { queue } = this.loop;
    this.#services.addHandler({
      onAdd: (service) => queue.add(objectName(service)),
      onUpdate: (_, service) => queue.add(objectName(service)),
      onDelete: (service) => queue.add(objectName(service)),
    });
    this.#pods.addHandler({
      onAdd: (pod) => this.#enqueueServicesOf(pod),
      onUpdate: (previous, pod) => {
        if (!hasEndpointChanged(previous, pod)) return;
        this.#enqueueServicesOf(pod);
        if (!isSameJSON(previous.metadata?.labels, pod.metadata?.labels)) this.#enqueueServicesOf(previous);
      },
      onDelete: (pod) => this.#enqueueServicesOf(pod),
    });
    this.#slices.addHandler({
      onAdd: (slice) => this.#onSlice(slice),
      onUpdate: (_, slice) => this.#onSlice(slice),
      onDelete: (slice) => {
        if (slice.metadata?.labels?.[MANAGED_BY_LABEL] === MANAGED_BY && !this.#tracker.onDeleted(serviceNameOf(slice), slice))
          queue.add(serviceNameOf(slice));
      },
    });
    this.#nodes.addHandler({
      onUpdate: (previous, node) => {
        if (isSameJSON(previous.metadata?.labels, node.metadata?.labels)) return;
        for (const service of this.#services.lister.list()) queue.add(objectName(service));
      },
    });
  }

  #onSlice(slice: discoveryv1.EndpointSlice): void {
    if (slice.metadata?.labels?.[MANAGED_BY_LABEL] !== MANAGED_BY) return;
    // Someone else's write to one of our slices must be undone; our own is known already.
    if (!this.#tracker.isOwnWrite(serviceNameOf(slice), slice)) this.loop.queue.add(serviceNameOf(slice));
  }

  #enqueueServicesOf(pod: corev1.Pod): void {
    for (const service of this.#services.lister.list(pod.metadata?.namespace)) {
      const selector = service.spec?.selector;
      if (selector !== undefined && compileLabelMap(selector).matches(pod.metadata?.labels))
        this.loop.queue.addAfter(objectName(service), BATCH_MS);
    }
  }

  async #reconcile(name: string, signal: AbortSignal): Promise<{ requeueAfterMs: number } | undefined> {
    const service = this.#services.lister.getByKey(name);
    if (service === undefined) {
      // The garbage collector deletes the slices: the Service owns them.
      this.#tracker.forget(name);
      return undefined;
    }
    const { selector, type } = service.spec ?? {};
    if (type === "ExternalName" || selector === undefined || Object.keys(selector).length === 0) return undefined;
    if (service.metadata?.deletionTimestamp !== undefined) return undefined;
    const slices = this.#slices.lister
      .byIndex(BY_SERVICE, name)
      .filter((slice) => slice.metadata?.labels?.[MANAGED_BY_LABEL] === MANAGED_BY && slice.metadata.deletionTimestamp === undefined);
    if (this.#tracker.isStale(name, slices)) return { requeueAfterMs: STALE_RETRY_MS };
    const matcher = compileLabelMap(selector);
    const pods = this.#pods.lister.list(parseObjectName(name).namespace).filter((pod) => matcher.matches(pod.metadata?.labels));
    const nodes = new Map(this.#nodes.lister.list().map((node) => [node.metadata?.name ?? "", node]));
    const plan = planEndpointSlices({ service, pods, slices, nodes, endpointsPerSliceMax: this.#context.config.maxEndpointsPerSlice });
    await this.#execute(name, service, plan, signal);
    return undefined;
  }

  async #execute(name: string, service: corev1.Service, plan: ReturnType<typeof planEndpointSlices>, signal: AbortSignal): Promise<void> {
    const { client } = this.#context;
    const namespace = service.metadata?.namespace ?? "";
    try {
      await allOrFirstError([
        ...plan.create.map(async (slice) =>
          this.#tracker.onWritten(name, await client.create(resources.endpointSlices, slice, { signal })),
        ),
        ...plan.update.map(async (slice) =>
          this.#tracker.onWritten(name, await client.update(resources.endpointSlices, slice, { signal })),
        ),
        ...plan.remove.map(async (slice) => {
          this.#tracker.expectDeletion(name, slice);
          await client
            .delete(resources.endpointSlices, { namespace, name: slice.metadata?.name ?? "" }, { ...uidPrecondition(slice), signal })
            .catch((error: unknown) => {
              if (!isNotFound(error)) throw error;
            });
        }),
      ]);
    } catch (error) {
      // After a failed write the tracker's picture is worthless; the next try starts from the cache.
      this.#tracker.forget(name);
      if (!isNamespaceTerminating(error)) throw error;
    }
  }
}

function serviceNameOf(slice: discoveryv1.EndpointSlice): string {
  return `${slice.metadata?.namespace ?? ""}/${slice.metadata?.labels?.[SERVICE_NAME_LABEL] ?? ""}`;
}

function hasEndpointChanged(previous: corev1.Pod, pod: corev1.Pod): boolean {
  const relevant = ({ metadata, spec, status }: corev1.Pod) => ({
    labels: metadata?.labels,
    isTerminating: metadata?.deletionTimestamp !== undefined,
    node: spec?.nodeName,
    hostname: spec?.hostname,
    subdomain: spec?.subdomain,
    phase: status?.phase,
    ips: status?.podIPs ?? status?.podIP,
    ready: status?.conditions?.find((condition) => condition.type === "Ready")?.status,
  });
  return !isSameJSON(relevant(previous), relevant(pod));
}
