// What all handlers work with: the resources, their stores, admission and the caches' progress.
import { type KubernetesObject, newInternalError, type ResourceDeclaration } from "@lenj/apimachinery";
import type { AdmissionChain } from "../admission/chain.js";
import type { ReviewHandler } from "../auth/ports.js";
import type { ResourceCatalog } from "../core/catalog.js";
import type { ObjectCodec } from "../core/codec.js";
import type { CacheFreshness } from "../core/feed.js";
import type { ObjectStorage } from "../core/storage.js";
import type { ResourceRequest } from "../rest/resource-routes.js";
import type { Call, HandlerTools, WriteOptions } from "./call.js";
import type { ResourceExtension } from "./extension.js";
import type { ManagedFieldsTracker } from "./managed-fields.js";
import type { ObjectStore } from "./object-store.js";

/** Does something to the object named by the call; returns the document to answer with. */
export type ActionHandler = (machine: Machine, call: Call, body: KubernetesObject, options: WriteOptions) => Promise<object>;

export interface Machine extends HandlerTools {
  readonly catalog: ResourceCatalog;
  readonly codec: ObjectCodec;
  readonly storage: ObjectStorage;
  /** By storage prefix. */
  readonly stores: ReadonlyMap<string, ObjectStore>;
  readonly freshness: CacheFreshness;
  readonly admission: AdmissionChain;
  readonly managedFields: ManagedFieldsTracker;
  /** Answers to create-only resources, by `<group>/<resource>[/<subresource>]`. */
  readonly reviews: ReadonlyMap<string, ReviewHandler>;
  /** POSTs that act on an object, by `<group>/<resource>/<subresource>`. */
  readonly actions: ReadonlyMap<string, ActionHandler>;
  /** Subresources that are passed on to a kubelet, pod or service, by `<group>/<resource>/<subresource>`. */
  readonly proxies: ReadonlyMap<string, (request: ResourceRequest) => Promise<void>>;
  /** By `<group>/<resource>`. */
  readonly extensions: ReadonlyMap<string, ResourceExtension>;
}

/** Throws when the resource is not kept: callers ask only for those that have storage. */
export function storeOf(machine: Machine, declaration: ResourceDeclaration): ObjectStore {
  const store = declaration.storage === undefined ? undefined : machine.stores.get(declaration.storage.prefix);
  if (store === undefined) throw newInternalError(new Error(`resource ${declaration.plural} has no storage`));
  return store;
}

export function storeOfResource(machine: Machine, group: string, resource: string): ObjectStore {
  const declaration = machine.catalog.preferred(group, resource);
  if (declaration === undefined) throw newInternalError(new Error(`resource ${resource} is not served`));
  return storeOf(machine, declaration);
}

export function extensionOf(machine: Machine, declaration: ResourceDeclaration): ResourceExtension | undefined {
  return machine.extensions.get(`${declaration.gvk.group}/${declaration.plural}`);
}
