// What every component sees of the api-server, whichever transport carries it.
import type { metav1 } from "@lenj/proto/k8s";

export interface GroupVersionResource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, lower case: "pods". */
  readonly resource: string;
}

/** Any API object in its JSON form. Plain data: no classes, no Date objects. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: metav1.ObjectMeta;
}

/** Names one object. `namespace` is absent for cluster-scoped resources. */
export interface ObjectKey {
  readonly namespace?: string;
  readonly name: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface SelectOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListOptions extends SelectOptions, CallOptions {
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: "Exact" | "NotOlderThan";
}

export interface ListResult<T> {
  readonly items: T[];
  readonly resourceVersion: string;
  readonly continue?: string;
}

export interface WatchOptions extends SelectOptions, CallOptions {
  readonly resourceVersion?: string;
  readonly allowBookmarks?: boolean;
  /** Current objects first, then a bookmark annotated `k8s.io/initial-events-end`. */
  readonly sendInitialEvents?: boolean;
  readonly timeoutSeconds?: number;
}

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly object: KubeObject }
  | { readonly type: "ERROR"; readonly object: metav1.Status };

export interface WriteOptions extends CallOptions {
  readonly subresource?: string;
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
}

export interface CreateOptions extends WriteOptions {
  /** Default: the object's own namespace. */
  readonly namespace?: string;
  /** Parent object, for subresources such as pods/binding, pods/eviction and serviceaccounts/token. */
  readonly name?: string;
}

export interface Patch {
  readonly type: "json" | "merge" | "strategic" | "apply";
  readonly body: unknown;
  /** Apply only. */
  readonly force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground";
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

/**
 * The api-server. Every call rejects with {@link ApiError} for an answer that is a Status failure
 * (its `code`, `reason` and `status` tell which), and with the transport's error, wrapped as
 * ApiError code 0 reason "Unavailable", when no answer came.
 */
export interface ApiClient {
  get<T extends KubeObject>(
    gvr: GroupVersionResource,
    key: ObjectKey,
    options?: CallOptions & { readonly subresource?: string },
  ): Promise<T>;
  list<T extends KubeObject>(gvr: GroupVersionResource, options?: ListOptions): Promise<ListResult<T>>;
  /** Ends when the server ends the stream; throws when it breaks. Leaving the loop cancels the watch. */
  watch<T extends KubeObject>(gvr: GroupVersionResource, options?: WatchOptions): AsyncIterable<WatchEvent<T>>;
  create<T extends KubeObject, R extends KubeObject = T>(gvr: GroupVersionResource, object: T, options?: CreateOptions): Promise<R>;
  update<T extends KubeObject>(gvr: GroupVersionResource, object: T, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(gvr: GroupVersionResource, key: ObjectKey, patch: Patch, options?: WriteOptions): Promise<T>;
  delete(gvr: GroupVersionResource, key: ObjectKey, options?: DeleteOptions): Promise<void>;
  deleteCollection(gvr: GroupVersionResource, select: SelectOptions, options?: DeleteOptions): Promise<void>;
  close(): Promise<void>;
}
