import type { EtcdClient, EtcdClientOptions } from "./etcd-client.js";

/** Connects lazily: the first call dials. */
export declare function createEtcdClient(options: EtcdClientOptions): EtcdClient;
