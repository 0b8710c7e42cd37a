// An api-server in memory behind the ApiClient interface, for unit tests of everything that talks to one.
//
// F1. One counter gives every write its resourceVersion; a write that changes nothing keeps the old one and tells nobody.
// F2. Watches see every change after their resource version in order; selectors turn leaving into DELETED and entering into ADDED.
// F3. Deletion honours finalizers, pod grace periods, propagation policy and preconditions as the api-server does.
// F4. Objects are copied on the way in and out: no caller shares memory with the store.
// Validation, defaulting, admission and authorisation are not here; `onCall` lets a test inject failures.
import { BoundedQueue, type Clock } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import type { metav1 } from "@lenj/proto/k8s";
import type {
  ApiClient,
  CallOptions,
  CreateOptions,
  DeleteOptions,
  GroupVersionResource,
  KubeObject,
  ListOptions,
  ListResult,
  ObjectKey,
  Patch,
  SelectOptions,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "../api-client.js";
import { ApiError } from "../errors.js";
import { apiVersionOf, qualifiedResource } from "../resources.js";
import { jsonPatch, mergePatch } from "./merge-patch.js";
import { matchesFieldSelector, matchesLabelSelector } from "./selectors.js";

export type FakeVerb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

/** One call as tests see it in `calls` and in `onCall`. */
export interface FakeCall {
  readonly verb: FakeVerb;
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly object?: KubeObject;
}

export interface FakeApiClientOptions {
  readonly clock?: Clock;
  /** Runs before every call; what it throws is the call's answer. */
  readonly onCall?: (call: FakeCall) => void;
  /** Refuse watches with initial events, as servers before WatchList do. */
  readonly withoutWatchList?: boolean;
}

interface Change {
  readonly id: string;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly revision: number;
  readonly object: KubeObject;
  readonly previous: KubeObject | undefined;
}

interface Watcher {
  readonly id: string;
  readonly select: SelectOptions;
  readonly queue: BoundedQueue<WatchEvent<KubeObject>>;
}

const WATCH_QUEUE_MAX = 10_000;
const HISTORY_MAX = 100_000;

export class FakeApiClient implements ApiClient {
  readonly calls: FakeCall[] = [];
  readonly clock: Clock;
  onCall: ((call: FakeCall) => void) | undefined;
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #watchers = new Set<Watcher>();
  readonly #withoutWatchList: boolean;
  #history: Change[] = [];
  #compactedRevision = 0;
  #revision = 0;
  #sequence = 0;

  constructor(options: FakeApiClientOptions = {}) {
    this.clock = options.clock ?? new ManualClock();
    this.onCall = options.onCall;
    this.#withoutWatchList = options.withoutWatchList ?? false;
  }

  /** Puts objects there without counting as calls. */
  async seed(gvr: GroupVersionResource, ...objects: KubeObject[]): Promise<void> {
    for (const object of objects) this.#insert(gvr, structuredClone(object), object.metadata?.namespace);
    await Promise.resolve();
  }

  /** All objects of a resource, for assertions. */
  objects<T extends KubeObject>(gvr: GroupVersionResource, namespace?: string): T[] {
    return this.#select(gvr, namespace === undefined ? {} : { namespace }) as T[];
  }

  /** Ends every watch: with an error as a broken connection would, or cleanly. */
  breakWatches(error?: unknown): void {
    for (const watcher of this.#watchers) {
      if (error === undefined) watcher.queue.close();
      else watcher.queue.fail(error);
    }
    this.#watchers.clear();
  }

  /** Forgets the history, so that watches from older resource versions are too old. */
  compact(): void {
    this.#compactedRevision = this.#revision;
    this.#history = [];
  }

  async get<T extends KubeObject>(
    gvr: GroupVersionResource,
    key: ObjectKey,
    options?: CallOptions & { readonly subresource?: string },
  ): Promise<T> {
    await this.#enter(
      { verb: "get", resource: gvr.resource, ...key, ...(options?.subresource !== undefined && { subresource: options.subresource }) },
      options,
    );
    return structuredClone(this.#must(gvr, key)) as T;
  }

  async list<T extends KubeObject>(gvr: GroupVersionResource, options: ListOptions = {}): Promise<ListResult<T>> {
    await this.#enter(
      { verb: "list", resource: gvr.resource, ...(options.namespace !== undefined && { namespace: options.namespace }) },
      options,
    );
    const all = this.#select(gvr, options) as T[];
    const start = Number(options.continue ?? 0);
    const end = options.limit === undefined || options.limit === 0 ? all.length : start + options.limit;
    return { items: all.slice(start, end), resourceVersion: String(this.#revision), ...(end < all.length && { continue: String(end) }) };
  }

  async *watch<T extends KubeObject>(gvr: GroupVersionResource, options: WatchOptions = {}): AsyncGenerator<WatchEvent<T>, void> {
    await this.#enter(
      { verb: "watch", resource: gvr.resource, ...(options.namespace !== undefined && { namespace: options.namespace }) },
      options,
    );
    if (options.sendInitialEvents === true && this.#withoutWatchList)
      throw failure(422, "Invalid", "sendInitialEvents is forbidden for watch");
    const watcher: Watcher = { id: idOf(gvr), select: options, queue: new BoundedQueue(WATCH_QUEUE_MAX) };
    this.#prime(watcher, gvr, options);
    this.#watchers.add(watcher);
    const onAbort = (): void => watcher.queue.fail(options.signal?.reason);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      for await (const event of watcher.queue) yield event as WatchEvent<T>;
    } finally {
      this.#watchers.delete(watcher);
      options.signal?.removeEventListener("abort", onAbort);
    }
  }

  async create<T extends KubeObject, R extends KubeObject = T>(
    gvr: GroupVersionResource,
    object: T,
    options: CreateOptions = {},
  ): Promise<R> {
    const namespace = options.namespace ?? object.metadata?.namespace;
    const name = options.name ?? object.metadata?.name;
    await this.#enter(
      {
        verb: "create",
        resource: gvr.resource,
        object: structuredClone(object),
        ...(options.subresource !== undefined && { subresource: options.subresource }),
        ...(namespace !== undefined && { namespace }),
        ...(name !== undefined && { name }),
      },
      options,
    );
    if (options.subresource !== undefined)
      return this.#createSubresource(gvr, object, { ...options, ...(namespace !== undefined && { namespace }) }) as R;
    return structuredClone(this.#insert(gvr, structuredClone(object), namespace)) as unknown as R;
  }

  async update<T extends KubeObject>(gvr: GroupVersionResource, object: T, options: WriteOptions = {}): Promise<T> {
    const key = {
      name: object.metadata?.name ?? "",
      ...(object.metadata?.namespace !== undefined && { namespace: object.metadata.namespace }),
    };
    await this.#enter(
      { verb: "update", resource: gvr.resource, ...key, object: structuredClone(object), ...subresourceOf(options) },
      options,
    );
    return structuredClone(this.#replace(gvr, key, structuredClone(object), options.subresource)) as T;
  }

  async patch<T extends KubeObject>(gvr: GroupVersionResource, key: ObjectKey, patch: Patch, options: WriteOptions = {}): Promise<T> {
    await this.#enter(
      { verb: "patch", resource: gvr.resource, ...key, object: structuredClone(patch.body) as KubeObject, ...subresourceOf(options) },
      options,
    );
    const current = structuredClone(this.#must(gvr, key));
    const body = structuredClone(patch.body);
    const next = (
      patch.type === "json" ? jsonPatch(current, body as never) : mergePatch(current, body, patch.type !== "merge")
    ) as KubeObject;
    return structuredClone(this.#replace(gvr, key, next, options.subresource)) as T;
  }

  async delete(gvr: GroupVersionResource, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    await this.#enter({ verb: "delete", resource: gvr.resource, ...key }, options);
    this.#remove(gvr, key, options);
  }

  async deleteCollection(gvr: GroupVersionResource, select: SelectOptions, options: DeleteOptions = {}): Promise<void> {
    await this.#enter(
      { verb: "deletecollection", resource: gvr.resource, ...(select.namespace !== undefined && { namespace: select.namespace }) },
      options,
    );
    for (const object of this.#select(gvr, select)) this.#remove(gvr, keyOf(object), options);
  }

  async close(): Promise<void> {
    this.breakWatches(failure(0, "Unavailable", "client is closed"));
    await Promise.resolve();
  }

  async #enter(call: FakeCall, options: CallOptions | undefined): Promise<void> {
    // A real answer never comes in the caller's own turn.
    await Promise.resolve();
    options?.signal?.throwIfAborted();
    this.calls.push(call);
    this.onCall?.(call);
  }

  #room(gvr: GroupVersionResource): Map<string, KubeObject> {
    const id = idOf(gvr);
    let room = this.#objects.get(id);
    if (room === undefined) this.#objects.set(id, (room = new Map()));
    return room;
  }

  #must(gvr: GroupVersionResource, key: ObjectKey): KubeObject {
    const object = this.#room(gvr).get(nameOf(key));
    if (object === undefined) throw failure(404, "NotFound", `${qualifiedResource(gvr)} "${key.name}" not found`);
    return object;
  }

  #select(gvr: GroupVersionResource, select: SelectOptions): KubeObject[] {
    return [...this.#room(gvr).values()]
      .filter((object) => isSelected(object, select))
      .sort((a, b) => (nameOf(keyOf(a)) < nameOf(keyOf(b)) ? -1 : 1))
      .map((object) => structuredClone(object));
  }

  #insert(gvr: GroupVersionResource, object: KubeObject, namespace: string | undefined): KubeObject {
    const metadata = { ...object.metadata };
    this.#sequence += 1;
    metadata.name ??= `${metadata.generateName ?? ""}${this.#sequence.toString(36).padStart(5, "0")}`;
    if (namespace !== undefined && namespace !== "") metadata.namespace = namespace;
    metadata.uid ??= `uid-${this.#sequence}`;
    metadata.creationTimestamp ??= this.#now();
    metadata.generation ??= 1;
    const stored = { apiVersion: apiVersionOf(gvr), ...object, metadata };
    if (this.#room(gvr).has(nameOf(keyOf(stored)))) {
      throw failure(409, "AlreadyExists", `${qualifiedResource(gvr)} "${metadata.name}" already exists`);
    }
    return this.#commit(gvr, "ADDED", stored, undefined);
  }

  #replace(gvr: GroupVersionResource, key: ObjectKey, next: KubeObject, subresource: string | undefined): KubeObject {
    const current = this.#must(gvr, key) as KubeObject & Record<string, unknown>;
    const asked = next.metadata?.resourceVersion;
    if (asked !== undefined && asked !== "" && asked !== current.metadata?.resourceVersion)
      throw this.#conflict(gvr, key, "the object has been modified; please apply your changes to the latest version and try again");
    if (next.metadata?.uid !== undefined && next.metadata.uid !== current.metadata?.uid)
      throw this.#conflict(gvr, key, "Precondition failed: UID in precondition does not match");
    const merged = (
      subresource === "status" ? { ...current, status: (next as Record<string, unknown>)["status"] } : { ...next }
    ) as KubeObject & Record<string, unknown>;
    if (subresource === undefined && "status" in current && hasStatusSubresource(gvr)) merged["status"] = current["status"];
    const fixed = current.metadata ?? {};
    // As upstream: a status write may carry annotations (a Deployment's revision travels so), nothing else of the metadata.
    const annotations = next.metadata?.annotations ?? fixed.annotations;
    const metadata = {
      ...(subresource === "status" ? { ...fixed, ...(annotations !== undefined && { annotations }) } : (next.metadata ?? {})),
    };
    for (const field of [
      "name",
      "namespace",
      "uid",
      "creationTimestamp",
      "deletionTimestamp",
      "deletionGracePeriodSeconds",
      "generation",
      "resourceVersion",
    ] as const) {
      if (fixed[field] === undefined) delete metadata[field];
      else Object.assign(metadata, { [field]: fixed[field] });
    }
    merged.metadata = metadata;
    merged.apiVersion ??= apiVersionOf(gvr);
    if (canonical(merged) === canonical(current)) return current;
    if (canonical(merged["spec"]) !== canonical(current["spec"])) metadata.generation = (fixed.generation ?? 0) + 1;
    if (
      metadata.deletionTimestamp !== undefined &&
      (metadata.finalizers ?? []).length === 0 &&
      (metadata.deletionGracePeriodSeconds ?? 0) === 0
    ) {
      return this.#commit(gvr, "DELETED", merged, current);
    }
    return this.#commit(gvr, "MODIFIED", merged, current);
  }

  #remove(gvr: GroupVersionResource, key: ObjectKey, options: DeleteOptions): void {
    const current = this.#must(gvr, key);
    const { preconditions } = options;
    const { uid, resourceVersion } = current.metadata ?? {};
    if (preconditions?.uid !== undefined && preconditions.uid !== uid) {
      throw this.#conflict(gvr, key, `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${uid ?? ""}`);
    }
    if (preconditions?.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion) {
      throw this.#conflict(gvr, key, `Precondition failed: ResourceVersion in precondition: ${preconditions.resourceVersion}`);
    }
    const finalizers = new Set(current.metadata?.finalizers ?? []);
    if (options.propagationPolicy === "Foreground") finalizers.add("foregroundDeletion").delete("orphan");
    if (options.propagationPolicy === "Orphan") finalizers.add("orphan").delete("foregroundDeletion");
    if (options.propagationPolicy === "Background") for (const name of ["orphan", "foregroundDeletion"]) finalizers.delete(name);
    const graceSeconds = gracePeriodOf(gvr, current, options);
    const next = structuredClone(current);
    next.metadata = { ...next.metadata, ...(finalizers.size > 0 ? { finalizers: [...finalizers] } : {}) };
    if (finalizers.size === 0) delete next.metadata.finalizers;
    if (finalizers.size === 0 && graceSeconds === 0) {
      this.#commit(gvr, "DELETED", next, current);
      return;
    }
    if (next.metadata.deletionTimestamp === undefined || graceSeconds < (next.metadata.deletionGracePeriodSeconds ?? 0)) {
      next.metadata.deletionTimestamp = this.#now(graceSeconds * 1000);
      next.metadata.deletionGracePeriodSeconds = graceSeconds;
      next.metadata.generation = (next.metadata.generation ?? 0) + 1;
    }
    if (canonical(next) !== canonical(current)) this.#commit(gvr, "MODIFIED", next, current);
  }

  #createSubresource(gvr: GroupVersionResource, object: KubeObject, options: CreateOptions): KubeObject {
    const key = {
      name: options.name ?? object.metadata?.name ?? "",
      ...(options.namespace !== undefined && { namespace: options.namespace }),
    };
    if (options.subresource === "binding") {
      const pod = structuredClone(this.#must(gvr, key)) as KubeObject & { spec?: { nodeName?: string }; target?: { name?: string } };
      const node = (object as { target?: { name?: string } }).target?.name ?? "";
      if ((pod.spec?.nodeName ?? "") !== "")
        throw this.#conflict(gvr, key, `pod ${key.name} is already assigned to node "${pod.spec?.nodeName ?? ""}"`);
      pod.spec = { ...pod.spec, nodeName: node };
      this.#commit(gvr, "MODIFIED", pod, this.#must(gvr, key));
    } else if (options.subresource === "eviction") {
      this.#remove(gvr, key, (object as { deleteOptions?: DeleteOptions }).deleteOptions ?? {});
    } else if (options.subresource === "token") {
      return { ...object, status: { token: `token-of-${key.name}`, expirationTimestamp: this.#now(3_600_000) } } as KubeObject;
    } else {
      return structuredClone(this.#replace(gvr, key, structuredClone(object), options.subresource));
    }
    return { apiVersion: "v1", kind: "Status", status: "Success" } as KubeObject;
  }

  #commit(gvr: GroupVersionResource, type: Change["type"], object: KubeObject, previous: KubeObject | undefined): KubeObject {
    this.#revision += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#revision) } };
    if (type === "DELETED") this.#room(gvr).delete(nameOf(keyOf(stored)));
    else this.#room(gvr).set(nameOf(keyOf(stored)), stored);
    const change: Change = { id: idOf(gvr), type, revision: this.#revision, object: stored, previous };
    this.#history.push(change);
    if (this.#history.length > HISTORY_MAX) this.compact();
    for (const watcher of this.#watchers) offerChange(watcher, change);
    return stored;
  }

  #prime(watcher: Watcher, gvr: GroupVersionResource, options: WatchOptions): void {
    const from = options.resourceVersion ?? "";
    if (options.sendInitialEvents === true || from === "" || from === "0") {
      for (const object of this.#select(gvr, options)) watcher.queue.offer({ type: "ADDED", object });
      if (options.sendInitialEvents === true) {
        const metadata = { resourceVersion: String(this.#revision), annotations: { "k8s.io/initial-events-end": "true" } };
        watcher.queue.offer({ type: "BOOKMARK", object: { metadata } });
      }
      return;
    }
    if (Number(from) < this.#compactedRevision) {
      const status = failure(410, "Expired", `too old resource version: ${from} (${this.#compactedRevision})`).status;
      watcher.queue.offer({ type: "ERROR", object: status });
      watcher.queue.close();
      return;
    }
    for (const change of this.#history) if (change.revision > Number(from)) offerChange(watcher, change);
  }

  #conflict(gvr: GroupVersionResource, key: ObjectKey, why: string): ApiError {
    return failure(409, "Conflict", `Operation cannot be fulfilled on ${qualifiedResource(gvr)} "${key.name}": ${why}`);
  }

  #now(laterMs = 0): string {
    return `${new Date(this.clock.wallMs() + laterMs).toISOString().slice(0, 19)}Z`;
  }
}

function offerChange(watcher: Watcher, change: Change): void {
  if (watcher.id !== change.id) return;
  const isIn = change.type !== "DELETED" && isSelected(change.object, watcher.select);
  const wasIn = change.previous !== undefined && isSelected(change.previous, watcher.select);
  if (!isIn && !wasIn) return;
  const type = isIn ? (wasIn ? "MODIFIED" : "ADDED") : "DELETED";
  watcher.queue.offer({ type, object: structuredClone(change.object) });
}

function isSelected(object: KubeObject, select: SelectOptions): boolean {
  if (select.namespace !== undefined && select.namespace !== "" && object.metadata?.namespace !== select.namespace) return false;
  return matchesLabelSelector(select.labelSelector, object.metadata?.labels) && matchesFieldSelector(select.fieldSelector, object);
}

/** Only pods that run somewhere are deleted gracefully. */
function gracePeriodOf(gvr: GroupVersionResource, object: KubeObject, options: DeleteOptions): number {
  if (gvr.resource !== "pods" || gvr.group !== "") return 0;
  const pod = object as { spec?: { nodeName?: string; terminationGracePeriodSeconds?: number }; status?: { phase?: string } };
  if ((pod.spec?.nodeName ?? "") === "" || ["Succeeded", "Failed"].includes(pod.status?.phase ?? "")) return 0;
  return options.gracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
}

const withoutStatus = new Set(["endpoints", "configmaps", "secrets", "events", "leases", "endpointslices", "serviceaccounts"]);

function hasStatusSubresource(gvr: GroupVersionResource): boolean {
  return !withoutStatus.has(gvr.resource);
}

function failure(code: number, reason: string, message: string): ApiError {
  const status: metav1.Status = { status: "Failure", code, reason, message };
  return new ApiError(status);
}

function idOf(gvr: GroupVersionResource): string {
  return qualifiedResource(gvr);
}

function keyOf(object: KubeObject): ObjectKey {
  return { name: object.metadata?.name ?? "", ...(object.metadata?.namespace !== undefined && { namespace: object.metadata.namespace }) };
}

function nameOf(key: ObjectKey): string {
  return key.namespace === undefined || key.namespace === "" ? key.name : `${key.namespace}/${key.name}`;
}

function subresourceOf(options: WriteOptions): { subresource?: string } {
  return options.subresource === undefined ? {} : { subresource: options.subresource };
}

/** Equal text for equal values whatever the order of keys. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, member: unknown) =>
      typeof member === "object" && member !== null && !Array.isArray(member)
        ? Object.fromEntries(
            Object.entries(member)
              .filter(([, v]) => v !== undefined)
              .sort(([a], [b]) => (a < b ? -1 : 1)),
          )
        : member,
    ) ?? ""
  );
}
