export { CachedObject } from "./cached-object.js";
export { parseRequestInfo, type RequestInfo } from "./request-info.js";
export { type ObjectStorage, StorageError, type StorageErrorCode } from "./storage.js";
export {
  type CacheEvent,
  type Selection,
  WatchCache,
  type WatchCacheOptions,
  type Watcher,
  WatcherEnded,
  type WatchItem,
} from "./watch-cache.js";
