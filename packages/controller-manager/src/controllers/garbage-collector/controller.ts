// Garbage collector: deletes what lost its last owner, and carries out foreground and orphan deletion.
//
// GC1. An object is deleted only after the api-server said that each of its owners is absent (by uid) or being deleted in foreground.
// GC2. Every delete and patch carries the uid it was decided for.
// GC3. An owner in foreground deletion goes when no dependent with blockOwnerDeletion is left.
// Source: pkg/controller/garbagecollector.
import { isConflict, isNotFound, type KubeObject } from "@lenj/client";
import type { metav1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { type CatalogEntry, findByKind, resourceCatalog } from "../../core/resource-catalog.js";
import { makeLoop } from "../../drivers/make-loop.js";
import { FOREGROUND, type GraphNode, ORPHAN, OwnerGraph, type OwnerState, planCollect } from "./graph.js";

export function createGarbageCollector(context: ControllerContext): Controller {
  const collector = new GarbageCollector(context);
  const watched = resourceCatalog.filter(({ resource }) => resource !== "events");
  const informers = watched.map((entry) => ({
    entry,
    informer: context.informers.informer<KubeObject>(gvrOf(entry), { transform: metadataOnly }),
  }));
  const loop = makeLoop(context, {
    name: "garbage_collector",
    workers: context.config.concurrentGCSyncs,
    // A resource that the api-server does not serve never syncs; owners are looked up live, so nothing hangs on it.
    caches: [],
    reconcile: (uid, signal) => collector.reconcile(uid, signal),
  });
  collector.enqueue = (uid) => loop.queue.add(uid);
  for (const { entry, informer } of informers) {
    informer.addHandler({
      onAdd: (object) => collector.onPut(entry, object),
      onUpdate: (_, object) => collector.onPut(entry, object),
      onDelete: (object) => collector.onDelete(object.metadata?.uid ?? ""),
    });
  }
  return loop;
}

class GarbageCollector {
  readonly #graph = new OwnerGraph();
  readonly #context: ControllerContext;
  enqueue: (uid: string) => void = () => {};

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  onPut(entry: CatalogEntry, object: KubeObject): void {
    const node = this.#graph.put(entry, object);
    if (node.owners.length > 0 || node.isDeleting) this.enqueue(node.uid);
    if (node.isDeleting && node.finalizers.includes(FOREGROUND))
      for (const dependent of this.#graph.dependentsOf(node.uid)) this.enqueue(dependent.uid);
  }

  onDelete(uid: string): void {
    const dependents = this.#graph.dependentsOf(uid);
    const node = this.#graph.remove(uid);
    for (const dependent of dependents) this.enqueue(dependent.uid);
    for (const owner of node?.owners ?? []) if (this.#graph.get(owner.uid)?.isDeleting === true) this.enqueue(owner.uid);
  }

  async reconcile(uid: string, signal: AbortSignal): Promise<void> {
    const node = this.#graph.get(uid);
    if (node === undefined) return;
    const latest = await this.#read(node.resource, node.namespace, node.name, signal);
    if (latest?.metadata?.uid !== uid) {
      this.onDelete(uid);
      return;
    }
    const { deletionTimestamp, finalizers = [], ownerReferences = [] } = latest.metadata;
    if (deletionTimestamp !== undefined) {
      if (finalizers.includes(ORPHAN)) await this.#orphanDependents(node, latest, signal);
      else if (finalizers.includes(FOREGROUND)) await this.#finishForeground(node, latest, signal);
      return;
    }
    const states = await this.#ownerStates(node, ownerReferences, signal);
    if (states === undefined) return;
    const decision = planCollect(states, this.#graph.dependentsOf(uid).length > 0, finalizers);
    if (decision.verb === "dropOwners") {
      await this.#patchMetadata(
        node,
        {
          resourceVersion: latest.metadata.resourceVersion,
          ownerReferences: ownerReferences.filter((owner) => !decision.uids.includes(owner.uid)),
        },
        signal,
      );
    } else if (decision.verb === "delete") {
      await this.#delete(node, decision.policy, decision.because, signal);
    }
  }

  /** Undefined: an owner is of a kind nobody here knows, so the object is left alone. */
  async #ownerStates(
    node: GraphNode,
    owners: readonly metav1.OwnerReference[],
    signal: AbortSignal,
  ): Promise<Map<string, OwnerState> | undefined> {
    const states = new Map<string, OwnerState>();
    for (const owner of owners) {
      const entry = findByKind(owner.apiVersion, owner.kind);
      if (entry === undefined) return undefined;
      const known = this.#graph.get(owner.uid);
      const isKnownSolid = known !== undefined && !known.isDeleting && known.name === owner.name;
      if (isKnownSolid) {
        states.set(owner.uid, "solid");
        continue;
      }
      const live = await this.#read(entry, entry.namespaced ? node.namespace : undefined, owner.name, signal);
      if (live?.metadata?.uid !== owner.uid) states.set(owner.uid, "absent");
      else if (live.metadata.deletionTimestamp !== undefined && (live.metadata.finalizers ?? []).includes(FOREGROUND))
        states.set(owner.uid, "waiting");
      else states.set(owner.uid, "solid");
    }
    return states;
  }

  async #finishForeground(node: GraphNode, latest: KubeObject, signal: AbortSignal): Promise<void> {
    const dependents = this.#graph.dependentsOf(node.uid);
    const blocking = dependents.filter((dependent) =>
      dependent.owners.some((owner) => owner.uid === node.uid && owner.blockOwnerDeletion === true),
    );
    if (blocking.length === 0) await this.#removeFinalizer(node, latest, FOREGROUND, signal);
    else for (const dependent of blocking) if (!dependent.isDeleting) this.enqueue(dependent.uid);
  }

  async #orphanDependents(node: GraphNode, latest: KubeObject, signal: AbortSignal): Promise<void> {
    for (const dependent of this.#graph.dependentsOf(node.uid)) {
      const live = await this.#read(dependent.resource, dependent.namespace, dependent.name, signal);
      if (live?.metadata?.uid !== dependent.uid) continue;
      const others = (live.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== node.uid);
      await this.#patchMetadata(dependent, { resourceVersion: live.metadata.resourceVersion, ownerReferences: others }, signal);
    }
    await this.#removeFinalizer(node, latest, ORPHAN, signal);
  }

  #removeFinalizer(node: GraphNode, latest: KubeObject, finalizer: string, signal: AbortSignal): Promise<void> {
    const finalizers = (latest.metadata?.finalizers ?? []).filter((name) => name !== finalizer);
    return this.#patchMetadata(node, { resourceVersion: latest.metadata?.resourceVersion, finalizers }, signal);
  }

  async #patchMetadata(node: GraphNode, metadata: Partial<metav1.ObjectMeta>, signal: AbortSignal): Promise<void> {
    const body = { metadata: { uid: node.uid, ...metadata } };
    await this.#context.client.patch(gvrOf(node.resource), keyOf(node), { type: "merge", body }, { signal }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }

  async #delete(
    node: GraphNode,
    propagationPolicy: "Foreground" | "Background" | "Orphan",
    because: string,
    signal: AbortSignal,
  ): Promise<void> {
    this.#context.logger.debug("Deleting item", { resource: node.resource.resource, object: node.name, propagationPolicy, because });
    await this.#context.client
      .delete(gvrOf(node.resource), keyOf(node), { preconditions: { uid: node.uid }, propagationPolicy, signal })
      .catch((error: unknown) => {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      });
  }

  async #read(entry: CatalogEntry, namespace: string | undefined, name: string, signal: AbortSignal): Promise<KubeObject | undefined> {
    try {
      return await this.#context.client.get(gvrOf(entry), { name, ...(namespace !== undefined && { namespace }) }, { signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}

function keyOf(node: GraphNode): { name: string; namespace?: string } {
  return { name: node.name, ...(node.namespace !== undefined && { namespace: node.namespace }) };
}

function gvrOf({ group, version, resource }: CatalogEntry): { group: string; version: string; resource: string } {
  return { group, version, resource };
}

/** Of resources that only the collector watches, nothing else is kept in memory. */
function metadataOnly(object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, ownerReferences, finalizers, deletionTimestamp } = object.metadata ?? {};
  return { metadata: { name, namespace, uid, resourceVersion, ownerReferences, finalizers, deletionTimestamp } };
}
