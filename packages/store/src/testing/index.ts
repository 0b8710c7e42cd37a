export { type ClusterOptions, eventually, freePort, type MemberAddress, StoreCluster } from "./store-process.js";
