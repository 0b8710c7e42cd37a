// What the api-server knows of a resource: one declaration each, made in packages/api, read by everyone else.
//
// Owns:  the shape of a declaration and its default values.
// Not:   the order in which hooks run (see create.ts, update.ts, delete.ts), HTTP, storage.
// D1. Hooks are pure and synchronous; what they need of the world comes in the RequestContext.
// D2. Hooks named prepare…, defaults and canonicalize change the object in place; all others leave it alone.
// D3. `validate…` returns every error of the object, never only the first.
// Source: k8s.io/apiserver pkg/registry/rest (RESTCreateStrategy, RESTUpdateStrategy, RESTDeleteStrategy).
import type { FieldError } from "../field/field-error.js";
import type { GroupVersionKind, KubernetesObject } from "../meta/object.js";
import type { TableDefinition } from "../table/table.js";
import type { RequestContext } from "./context.js";

export type Verb = "create" | "delete" | "deletecollection" | "get" | "list" | "patch" | "update" | "watch";
export type Scope = "Namespaced" | "Cluster";

/** Rules for writing an existing object through one endpoint: the resource itself or a subresource such as status. */
export interface UpdateStrategy<T extends KubernetesObject = KubernetesObject> {
  /** Takes back what this endpoint may not change. Runs before defaults of the server and before validation. */
  prepareForUpdate?(object: T, old: T, context: RequestContext): void;
  /** Kind-specific rules; metadata is checked by the caller. */
  validateUpdate?(object: T, old: T, context: RequestContext): FieldError[];
  warningsOnUpdate?(object: T, old: T, context: RequestContext): string[];
  /** Brings an accepted object to its normal form; runs last. */
  canonicalize?(object: T): void;
  /** Top-level paths whose ownership server-side apply drops for writes through this endpoint, e.g. [["status"]]. */
  readonly resetFields?: readonly (readonly string[])[];
}

export interface ResourceStrategy<T extends KubernetesObject = KubernetesObject> extends UpdateStrategy<T> {
  prepareForCreate?(object: T, context: RequestContext): void;
  validateCreate?(object: T, context: RequestContext): FieldError[];
  warningsOnCreate?(object: T, context: RequestContext): string[];
}

export interface ScalePaths<T extends KubernetesObject = KubernetesObject> {
  replicas(object: T): number;
  setReplicas(object: T, replicas: number): void;
  statusReplicas(object: T): number;
  /** The selector in string form, as Scale.status.selector carries it. */
  selector(object: T): string;
}

export interface Subresource<T extends KubernetesObject = KubernetesObject> {
  readonly name: string;
  /** Kind this endpoint speaks; equals the parent's for status and its like. */
  readonly gvk: GroupVersionKind;
  /** Set when discovery names group and version explicitly (eviction, scale, token). */
  readonly foreignGroup: boolean;
  readonly verbs: readonly Verb[];
  /** Present when the endpoint reads and writes the parent object (status, approval, finalize, resize, ephemeralcontainers). */
  readonly strategy?: UpdateStrategy<T> | undefined;
  /** Present on `scale`. */
  readonly scale?: ScalePaths<T> | undefined;
}

/** Where and in which version objects of a resource lie in the store. */
export interface StoragePlacement {
  /** Below the server's prefix, without slashes at its ends: `pods`, `services/specs`. Key: `/registry/<prefix>/[<namespace>/]<name>`. */
  readonly prefix: string;
  /** Version in which objects are stored; differs from the served one where two served resources share their objects. */
  readonly gvk: GroupVersionKind;
  /** Present only when the stored form differs from the served one. */
  readonly conversion?: StorageConversion | undefined;
  /** Objects vanish by themselves after so many seconds (events). */
  readonly ttlSeconds?: number | undefined;
}

export interface StorageConversion {
  toStorage(object: KubernetesObject): KubernetesObject;
  fromStorage(object: KubernetesObject): KubernetesObject;
}

/** A field beside metadata.name and metadata.namespace that field selectors may name. */
export interface SelectableField<T extends KubernetesObject = KubernetesObject> {
  readonly label: string;
  value(object: T): string;
}

export interface GracefulDeletion<T extends KubernetesObject = KubernetesObject> {
  /** Seconds the object is left to end by itself; 0 deletes at once. `requested` is DeleteOptions.gracePeriodSeconds. */
  gracePeriodSeconds(object: T, requested: number | undefined, context: RequestContext): number;
}

/** What becomes of dependents when the client does not say. "Unsupported": owner references to this kind are not honoured. */
export type DefaultDeletionPolicy = "Background" | "Orphan" | "Unsupported";

export interface ResourceDeclaration<T extends KubernetesObject = KubernetesObject> {
  readonly gvk: GroupVersionKind;
  /** `<Kind>List` of the same group and version. */
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly scope: Scope;
  readonly verbs: readonly Verb[];
  /** Absent for kinds that are answered and not kept (reviews, bindings, componentstatuses). */
  readonly storage: StoragePlacement | undefined;
  /** Opaque hash of the storage version, for discovery; "" when not persisted. */
  readonly storageVersionHash: string;
  readonly subresources: readonly Subresource<T>[];
  /** metadata.generation is kept for this kind. */
  readonly hasGeneration: boolean;
  /** Whether an update raises metadata.generation. Both objects are prepared and defaulted. */
  generationChanges(object: T, old: T): boolean;
  /** PUT and PATCH without resourceVersion are taken as "whatever is there". */
  readonly allowUnconditionalUpdate: boolean;
  /** PUT to a name that does not exist creates it. */
  readonly allowCreateOnUpdate: boolean;
  /** Checks metadata.name, or the prefix of a name to be generated. Returns upstream's messages. */
  validateName(name: string, isPrefix: boolean): string[];
  /** Sets every default that a stored or submitted object may lack. Idempotent. */
  defaults(object: T): void;
  /** Defaults that make sense for new objects only (a Pod's enableServiceLinks is not one; a generated selector is). */
  readonly strategy: ResourceStrategy<T>;
  readonly selectableFields: readonly SelectableField<T>[];
  /** Wording for a label that is not selectable. */
  unknownFieldLabel(label: string): string;
  readonly table: TableDefinition<T>;
  readonly gracefulDeletion: GracefulDeletion<T> | undefined;
  readonly defaultDeletionPolicy: DefaultDeletionPolicy;
  /** DELETE answers with the deleted object in place of a Status. */
  readonly returnsDeletedObject: boolean;
  /** Sent as Warning headers on every request to the resource. */
  readonly deprecationWarning: string | undefined;
}
