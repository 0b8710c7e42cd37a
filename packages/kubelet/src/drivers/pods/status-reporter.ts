// Pod statuses on their way to the api-server, and the last word on deleted pods.
//
// Owns:  the newest status of each pod and whether the api-server has it.
// U1. Writes of one pod happen one after the other, each with the newest status.
// U2. A status is written only onto the pod it was computed for (UID) and only over the version it was compared with;
//     a conflict reads the pod again.
// U3. Conditions of others (readiness gates, disruption) survive every write.
// U4. A pod is deleted for good (grace 0, by UID) only after its last status is written and nothing of it is left here.
// Source: pkg/kubelet/status/status_manager.go.
import { type Clock, delay, type Logger } from "@lenj/base";
import { type ApiClient, isConflict, isNotFound, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import { kubeletConditionTypes } from "../../core/pod/conditions.js";
import { podKey, podName, podNamespace, podUID } from "../../core/pod/identity.js";

export interface StatusReporterOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The pod as the api-server last showed it (for a static pod: its mirror), or undefined. */
  readonly lookup: (pod: corev1.Pod) => corev1.Pod | undefined;
}

interface Entry {
  pod: corev1.Pod;
  status: corev1.PodStatus;
  /** Newer than what was last written. */
  dirty: boolean;
  /** Nothing of the pod is left on this node. */
  cleaned: boolean;
  writing: boolean;
  deleted: boolean;
  /** What the last write answered: newer than the watch for a moment. */
  written: corev1.Pod | undefined;
}

const retryMs = 2_000;
const ownedFields = [
  "observedGeneration",
  "phase",
  "conditions",
  "reason",
  "message",
  "hostIP",
  "hostIPs",
  "podIP",
  "podIPs",
  "startTime",
  "initContainerStatuses",
  "containerStatuses",
  "ephemeralContainerStatuses",
  "qosClass",
] as const;

export class StatusReporter {
  readonly #entries = new Map<string, Entry>();
  readonly #abort = new AbortController();
  readonly #writes = new Set<Promise<void>>();

  constructor(readonly options: StatusReporterOptions) {}

  /** The newest status computed here. */
  get(uid: string): corev1.PodStatus | undefined {
    return this.#entries.get(uid)?.status;
  }

  /** Takes a new status; it is written in the background. */
  report(pod: corev1.Pod, status: corev1.PodStatus): void {
    const uid = podUID(pod);
    const entry = this.#entries.get(uid);
    if (entry === undefined) {
      const fresh: Entry = { pod, status, dirty: true, cleaned: false, writing: false, deleted: false, written: undefined };
      this.#entries.set(uid, fresh);
      this.#kick(fresh);
      return;
    }
    entry.pod = pod;
    if (sameJSON(entry.status, status)) return;
    entry.status = status;
    entry.dirty = true;
    this.#kick(entry);
  }

  /** Nothing of the pod is left here: once its status is written and it is marked for deletion, it may go (U4). */
  onCleaned(pod: corev1.Pod): void {
    const entry = this.#entries.get(podUID(pod));
    if (entry === undefined) return;
    entry.pod = pod;
    entry.cleaned = true;
    this.#kick(entry);
  }

  /** The pod changed at the api-server: what was written may be gone (someone else wrote), or it may now be deleted. */
  onPod(pod: corev1.Pod): void {
    const entry = this.#entries.get(podUID(pod));
    if (entry === undefined || entry.deleted) return;
    if (newerOf(entry.written, pod) === pod && !sameJSON(pick(pod.status ?? {}), pick(merged(entry.status, pod.status ?? {}))))
      entry.dirty = true;
    this.#kick(entry);
  }

  forget(uid: string): void {
    this.#entries.delete(uid);
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error("Status reporter closed"));
    await Promise.allSettled(this.#writes);
  }

  #kick(entry: Entry): void {
    if (entry.writing || this.#abort.signal.aborted) return;
    entry.writing = true;
    const write = this.#drain(entry).finally(() => {
      entry.writing = false;
      this.#writes.delete(write);
    });
    this.#writes.add(write);
  }

  async #drain(entry: Entry): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted && this.#entries.get(podUID(entry.pod)) === entry) {
      try {
        if (entry.dirty) {
          entry.dirty = false;
          await this.#write(entry, signal);
        } else if (this.#mayDelete(entry)) await this.#delete(entry, signal);
        else return;
      } catch (error) {
        if (signal.aborted) return;
        entry.dirty = true;
        if (isConflict(error)) {
          entry.written = await this.#read(entry, signal).catch(() => entry.written);
          continue;
        }
        this.options.logger.warn("Writing a pod status failed", { pod: podKey(entry.pod), error: (error as Error).message });
        await delay(this.options.clock, retryMs, signal).catch(() => undefined);
      }
    }
  }

  #current(entry: Entry): corev1.Pod | undefined {
    const seen = this.options.lookup(entry.pod);
    if (seen === undefined) return undefined;
    return newerOf(entry.written?.metadata?.uid === seen.metadata?.uid ? entry.written : undefined, seen);
  }

  async #write(entry: Entry, signal: AbortSignal): Promise<void> {
    const current = this.#current(entry);
    // Not there (any more): for a static pod the mirror's arrival brings us back, for others there is nobody to tell.
    if (current === undefined) return;
    const before = current.status ?? {};
    const after = merged(entry.status, before);
    const change: Record<string, unknown> = {};
    for (const field of ownedFields) {
      if (sameJSON(before[field], after[field])) continue;
      change[field] = after[field] ?? null;
    }
    if (Object.keys(change).length === 0) return;
    const body = { metadata: { uid: current.metadata?.uid, resourceVersion: current.metadata?.resourceVersion }, status: change };
    const key = { namespace: podNamespace(entry.pod), name: podName(entry.pod) };
    try {
      entry.written = await this.options.client.patch<corev1.Pod>(
        resources.pods,
        key,
        { type: "merge", body },
        { subresource: "status", signal },
      );
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async #read(entry: Entry, signal: AbortSignal): Promise<corev1.Pod | undefined> {
    const pod = await this.options.client.get<corev1.Pod>(
      resources.pods,
      { namespace: podNamespace(entry.pod), name: podName(entry.pod) },
      { signal },
    );
    const seen = this.options.lookup(entry.pod);
    return pod.metadata?.uid === seen?.metadata?.uid ? pod : undefined;
  }

  #mayDelete(entry: Entry): boolean {
    return entry.cleaned && !entry.deleted && this.#current(entry)?.metadata?.deletionTimestamp !== undefined;
  }

  async #delete(entry: Entry, signal: AbortSignal): Promise<void> {
    const uid = this.#current(entry)?.metadata?.uid;
    const key = { namespace: podNamespace(entry.pod), name: podName(entry.pod) };
    try {
      await this.options.client.delete(resources.pods, key, {
        gracePeriodSeconds: 0,
        ...(uid === undefined ? {} : { preconditions: { uid } }),
        signal,
      });
    } catch (error) {
      // Gone already, or another pod of that name lives now.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    entry.deleted = true;
  }
}

/** Our status with the conditions of others as they are (U3), and fields only others set. */
function merged(own: corev1.PodStatus, theirs: corev1.PodStatus): corev1.PodStatus {
  const ownTypes = new Set<string>([...kubeletConditionTypes, ...(own.conditions ?? []).map((condition) => condition.type)]);
  const others = (theirs.conditions ?? []).filter((condition) => !ownTypes.has(condition.type));
  // Order as it is where nothing was added, so that nothing seems changed.
  const order = (theirs.conditions ?? []).map((condition) => condition.type as string);
  const rank = (type: string): number => (order.includes(type) ? order.indexOf(type) : order.length);
  const conditions = [...(own.conditions ?? []), ...others].map((condition, position) => ({ condition, position }));
  conditions.sort((left, right) => rank(left.condition.type) - rank(right.condition.type) || left.position - right.position);
  return {
    ...own,
    ...(own.conditions === undefined && others.length === 0 ? {} : { conditions: conditions.map((entry) => entry.condition) }),
  };
}

function pick(status: corev1.PodStatus): Partial<corev1.PodStatus> {
  return Object.fromEntries(ownedFields.flatMap((field) => (status[field] === undefined ? [] : [[field, status[field]]])));
}

function newerOf(written: corev1.Pod | undefined, seen: corev1.Pod): corev1.Pod {
  if (written === undefined) return seen;
  return Number(written.metadata?.resourceVersion ?? 0) > Number(seen.metadata?.resourceVersion ?? 0) ? written : seen;
}

/** Equal but for the order of keys, nulls and absent members: what a round trip through the api-server may change. */
export function sameJSON(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (left === null || right === null || left === undefined || right === undefined) return isEmpty(left) && isEmpty(right);
  if (Array.isArray(left) && Array.isArray(right))
    return left.length === right.length && left.every((item, position) => sameJSON(item, right[position]));
  if (typeof left !== "object" || typeof right !== "object") return false;
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...keys].every((key) => sameJSON((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]));
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
