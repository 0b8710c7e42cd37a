// Namespace controller: empties a namespace that is being deleted, then lets it go.
//
// N1. Pods go first; everything else only when no pod is left, so that running programs keep what protects them.
// N2. The finalizer is removed only after every resource was listed and found empty.
// Source: pkg/controller/namespace/deletion.
import { type GroupVersionResource, isApiError, isNotFound, type KubeObject, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { resourceCatalog } from "../../core/resource-catalog.js";
import { formatTime } from "../../core/time.js";
import { makeLoop } from "../../drivers/make-loop.js";

const FINALIZER = "kubernetes";
/** Other api-servers learn within this time that the namespace is closing and refuse new content. */
const SETTLE_MS = 500;
/** Kinds of a namespace that are deleted at the same time: enough to be quick, few enough to leave the api-server to others. */
const PARALLEL_DELETES_MAX = 8;
const RETRY_MS = 1_000;

interface Remaining {
  /** "deployments.apps", "pods." as upstream writes the core group. */
  readonly resource: string;
  readonly count: number;
  readonly finalizers: ReadonlyMap<string, number>;
}

export function createNamespaceController(context: ControllerContext): Controller {
  const { client, clock } = context;
  const namespaces = context.informers.informer<corev1.Namespace>(resources.namespaces);
  const pods = context.informers.informer<corev1.Pod>(resources.pods);
  const contents: readonly GroupVersionResource[] = resourceCatalog.filter((entry) => entry.namespaced && entry.resource !== "pods");
  const loop = makeLoop(context, {
    name: "namespace",
    workers: context.config.concurrentNamespaceSyncs,
    caches: [namespaces],
    reconcile: async (name, signal) => {
      if (namespaces.lister.getByKey(name)?.metadata?.deletionTimestamp === undefined) return undefined;
      const namespace = await client.get<corev1.Namespace>(resources.namespaces, { name }, { signal }).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      if (namespace?.metadata?.deletionTimestamp === undefined || !(namespace.spec?.finalizers ?? []).includes(FINALIZER)) return undefined;
      const remainingPods = await empty(resources.pods, name, signal);
      const remaining = remainingPods === undefined ? await emptyAll(name, signal) : [remainingPods];
      const updated = await writeConditions(namespace, remaining, signal);
      if (remaining.length > 0) return { requeueAfterMs: RETRY_MS };
      const finalizers = (updated.spec?.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
      await client
        .update(resources.namespaces, { ...updated, spec: { ...updated.spec, finalizers } }, { subresource: "finalize", signal })
        .catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
      return undefined;
    },
  });

  /** Deletes everything in a namespace; what is left afterwards. */
  async function emptyAll(namespace: string, signal: AbortSignal): Promise<Remaining[]> {
    const remaining: Remaining[] = [];
    for (let first = 0; first < contents.length; first += PARALLEL_DELETES_MAX) {
      const batch = contents.slice(first, first + PARALLEL_DELETES_MAX);
      const left = await Promise.all(batch.map((resource) => empty(resource, namespace, signal)));
      remaining.push(...left.filter((entry) => entry !== undefined));
    }
    return remaining;
  }

  /** Deletes all objects of a resource; what is left afterwards, undefined when nothing is. */
  async function empty(gvr: GroupVersionResource, namespace: string, signal: AbortSignal): Promise<Remaining | undefined> {
    const resource = { group: gvr.group, version: gvr.version, resource: gvr.resource };
    try {
      const before = await client.list<KubeObject>(resource, { namespace, signal });
      if (before.items.length === 0) return undefined;
      await client.deleteCollection(resource, { namespace }, { propagationPolicy: "Background", signal }).catch(async (error: unknown) => {
        if (!isApiError(error) || error.code !== 405) throw error;
        for (const item of before.items)
          await client.delete(resource, { namespace, name: item.metadata?.name ?? "" }, { propagationPolicy: "Background", signal });
      });
      const { items } = await client.list<KubeObject>(resource, { namespace, signal });
      const finalizers = new Map<string, number>();
      for (const finalizer of items.flatMap((item) => item.metadata?.finalizers ?? []))
        finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
      return items.length === 0 ? undefined : { resource: `${gvr.resource}.${gvr.group}`, count: items.length, finalizers };
    } catch (error) {
      // Not served by this api-server, so nothing can be stored in it.
      if (isNotFound(error) || (isApiError(error) && error.code === 405)) return undefined;
      throw error;
    }
  }

  async function writeConditions(
    namespace: corev1.Namespace,
    remaining: readonly Remaining[],
    signal: AbortSignal,
  ): Promise<corev1.Namespace> {
    const conditions = namespaceConditions(namespace, remaining, formatTime(clock.wallMs()));
    const isSame = namespace.status?.phase === "Terminating" && JSON.stringify(namespace.status.conditions) === JSON.stringify(conditions);
    if (isSame) return namespace;
    return client.update<corev1.Namespace>(
      resources.namespaces,
      { ...namespace, status: { ...namespace.status, phase: "Terminating", conditions } },
      { subresource: "status", signal },
    );
  }

  const enqueue = (namespace: corev1.Namespace): void => {
    if (namespace.metadata?.deletionTimestamp !== undefined) loop.queue.addAfter(namespace.metadata.name ?? "", SETTLE_MS);
  };
  namespaces.addHandler({ onAdd: enqueue, onUpdate: (_, namespace) => enqueue(namespace) });
  pods.addHandler({
    onDelete: (pod) => {
      const namespace = namespaces.lister.getByKey(pod.metadata?.namespace ?? "");
      if (namespace?.metadata?.deletionTimestamp !== undefined) loop.queue.addAfter(namespace.metadata.name ?? "", 100);
    },
  });
  return loop;
}

function namespaceConditions(namespace: corev1.Namespace, remaining: readonly Remaining[], now: string): corev1.NamespaceCondition[] {
  const finalizers = new Map<string, number>();
  for (const entry of remaining) for (const [name, count] of entry.finalizers) finalizers.set(name, (finalizers.get(name) ?? 0) + count);
  const contentText = remaining
    .map(({ resource, count }) => `${resource} has ${count} resource instances`)
    .sort()
    .join(", ");
  const finalizerText = [...finalizers]
    .map(([name, count]) => `${name} in ${count} resource instances`)
    .sort()
    .join(", ");
  const wanted: readonly [string, boolean, string, string][] = [
    ["NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered"],
    ["NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions", "All legacy kube types successfully parsed"],
    [
      "NamespaceDeletionContentFailure",
      false,
      "ContentDeleted",
      remaining.length > 0 ? "All content successfully deleted, may be waiting on finalization" : "All content successfully deleted",
    ],
    [
      "NamespaceContentRemaining",
      remaining.length > 0,
      remaining.length > 0 ? "SomeResourcesRemain" : "ContentRemoved",
      remaining.length > 0 ? `Some resources are remaining: ${contentText}` : "All content successfully removed",
    ],
    [
      "NamespaceFinalizersRemaining",
      finalizers.size > 0,
      finalizers.size > 0 ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
      finalizers.size > 0
        ? `Some content in the namespace has finalizers remaining: ${finalizerText}`
        : "All content-preserving finalizers finished",
    ],
  ];
  return wanted.map(([type, isTrue, reason, message]) => {
    const status = isTrue ? "True" : "False";
    const current = namespace.status?.conditions?.find((condition) => condition.type === type);
    const isSame = current?.status === status && current.reason === reason && current.message === message;
    return {
      type,
      status,
      lastTransitionTime: isSame ? (current.lastTransitionTime ?? now) : now,
      reason,
      message,
    } as corev1.NamespaceCondition;
  });
}
