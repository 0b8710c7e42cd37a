export { type CacheEvent, type Selection, WatchCache, type WatchCacheOptions, WatcherEnded, type WatchItem, type Watcher } from "./watch-cache.js";
export { CachedObject } from "./cached-object.js";
export { parseRequestInfo, type RequestInfo } from "./request-info.js";
export { type ObjectStorage, StorageError, type StorageErrorCode } from "./storage.js";
