export { createEtcdClient } from "./create-etcd-client.js";
export { EtcdError, type EtcdErrorCode, type EtcdErrorFacts, etcdErrorFromStatus, isEtcdError } from "./errors.js";
export type { CallOptions, EtcdClient, EtcdClientOptions, EtcdTLS, PartialRequest, WatchMessage, WatchOptions } from "./etcd-client.js";
export { prefixEnd } from "./prefix-end.js";
