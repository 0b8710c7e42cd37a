export { EtcdProcess } from "./etcd-process.js";
export { type ClusterOptions, eventually, freePort, type MemberAddress, StoreCluster } from "./store-process.js";
