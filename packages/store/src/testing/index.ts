// For the simulator: the real parts, to be run over a network, disks and time of its own.
export type { HashReport } from "../core/compare-hashes.js";
export { CorruptionChecker } from "../drivers/corruption-checker.js";
export { type LeaseForwarder, LeaseKeeper } from "../drivers/lease-keeper.js";
export type { LevelBackend } from "../drivers/level/level-backend.js";
export {
  type DatabaseView,
  type EngineIterator,
  type EngineRange,
  LevelDatabase,
  type StorageEngine,
  type WriteOperation,
} from "../drivers/level/level-database.js";
export type { LevelLog } from "../drivers/level/level-log.js";
export { type DataFolder, type OpenedData, openData } from "../drivers/level/open-data.js";
export type { PartialStates } from "../drivers/peer/incoming-state.js";
export { PeerCounts } from "../drivers/peer/peer-counts.js";
export type { StateChannel } from "../drivers/peer/state-channel.js";
export { StateReceiver } from "../drivers/peer/state-receiver.js";
export type { StateSource } from "../drivers/peer/state-refill.js";
export { StateSender } from "../drivers/peer/state-sender.js";
export { forwardTo } from "../forward-to.js";
export { InService } from "../in-service.js";
export { isStateUnusable, noteRefilled, type Quarantine, type QuarantineMark } from "../quarantine.js";
export { Recovery } from "../recovery.js";
export type { PeerAddress, PeerTransport } from "../replica/ports.js";
export { Replica, type ReplicaConfig } from "../replica/replica.js";
export { RequestTimes } from "../replica/request-times.js";
export { Access } from "../services/access.js";
export type { ServiceContext } from "../services/context.js";
export { checkCall, clientServices } from "../services/index.js";
export { MembershipChanges, type PromotionForwarder } from "../services/membership-changes.js";
export { EtcdProcess } from "./etcd-process.js";
export { freePort } from "./free-port.js";
export { leaderName } from "./leader.js";
export { LoopDisk, mebibytes } from "./loop-disk.js";
export { type ClusterOptions, eventually, type MemberAddress, StoreCluster } from "./store-process.js";
export { expectAllEverywhere, Writer } from "./writer.js";
