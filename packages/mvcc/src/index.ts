export { type Backend, type Table, tables } from "./backend.js";
export { isMvccError, MvccError, type MvccErrorCode } from "./errors.js";
export { crc32c, DataHash } from "./hash.js";
export { endOfKeys, isEmptyRange, isInRange, type Key, type KeyRange, keyFromBytes, keyRangeFromWire, keyToBytes } from "./key-range.js";
export {
  type KeyEvent,
  KeySpace,
  type KeySpaceOptions,
  type Page,
  type PageOptions,
  type RangeOptions,
  type RangeResult,
  rowBytes,
} from "./key-space.js";
export {
  decodeKey,
  decodeKeyValue,
  type EncodedKeyValue,
  encodeDeletion,
  encodeKeyValue,
  isTombstone,
  type KeyValue,
} from "./key-value.js";
export { type Lease, type LeaseID, LeaseTable, leaseTTLSecondsMax, noLease } from "./lease/lease-table.js";
export { decodeMain, decodeSub, encodeRevision, initialRevision, readUint64, revisionBytes, writeUint64 } from "./revision.js";
export { sizeOfVarint, writeVarint } from "./varint.js";
export { type Watcher, type WatcherOptions, WatchHub, type WatchSink } from "./watch/watch-hub.js";
export { type Commit, type PutInput, WriteTransaction } from "./write-transaction.js";
