export type {
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
} from "./api-client.js";
export type { ClientConfig } from "./config/client-config.js";
export { GRPC_EXTENSION, loadKubeconfig, parseKubeconfig } from "./config/kubeconfig.js";
export { createApiClient } from "./create-api-client.js";
export {
  ApiError,
  isAlreadyExists,
  isApiError,
  isConflict,
  isExpired,
  isForbidden,
  isInvalid,
  isNamespaceTerminating,
  isNotFound,
  isTooManyRequests,
  isUnavailable,
} from "./errors.js";
export { type EventRecorder, EventSink, type EventType, referenceTo } from "./events/event-recorder.js";
// For sibling packages.
export { Backoff } from "./informer/backoff.js";
export { deepFreeze } from "./informer/deep-freeze.js";
export type { Informer, InformerHandler } from "./informer/informer.js";
export { dropManagedFields, InformerFactory, type InformerFactoryOptions, type InformerOptions } from "./informer/informer-factory.js";
export { type IndexFunction, type Lister, ObjectStore } from "./informer/object-store.js";
export { apiVersionOf, objectName, parseObjectName, qualifiedResource, resources } from "./resources.js";
