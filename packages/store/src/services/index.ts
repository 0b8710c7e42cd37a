// etcd's services for clients, put on a driver.
import { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcCall, RpcDriver, RpcService } from "@lenj/rpc-server";
import { StoreError } from "../core/errors.js";
import { authService } from "./auth-service.js";
import { clusterService } from "./cluster-service.js";
import type { ServiceContext } from "./context.js";
import { kvService } from "./kv-service.js";
import { leaseService } from "./lease-service.js";
import { maintenanceService } from "./maintenance-service.js";
import { watchService } from "./watch-service.js";

/** What a learner answers; it lags, so nothing that must be current. */
const learnerPaths = new Set(["/etcdserverpb.Maintenance/Status", "/etcdserverpb.Maintenance/Snapshot", "/etcdserverpb.KV/Range"]);

export function addClientServices(driver: RpcDriver, context: ServiceContext): void {
  driver.addService(withEncodedResponses(etcdserverpb.KVService, ["range", "put", "deleteRange", "txn"]), kvService(context));
  driver.addService(withEncodedResponses(etcdserverpb.WatchService, ["watch"]), watchService(context));
  driver.addService(etcdserverpb.LeaseService as unknown as RpcService, leaseService(context));
  driver.addService(etcdserverpb.ClusterService as unknown as RpcService, clusterService(context));
  driver.addService(etcdserverpb.MaintenanceService as unknown as RpcService, maintenanceService(context));
  driver.addService(etcdserverpb.AuthService as unknown as RpcService, authService(context));
}

/** What holds for every call. Source: etcd server/etcdserver/api/v3rpc/interceptor.go. */
export function checkCall({ replica }: Pick<ServiceContext, "replica">, call: RpcCall): void {
  const isLearner = replica.state.members.get(replica.config.memberID)?.isLearner ?? false;
  if (isLearner && !learnerPaths.has(call.path)) throw new StoreError("NOT_SUPPORTED_FOR_LEARNER");
  if (replica.leaderID === 0n && call.metadata.get("hasleader") === "true") throw new StoreError("NO_LEADER");
}

/** The handlers of these methods answer with encoded messages. */
function withEncodedResponses(service: object, methods: readonly string[]): RpcService {
  const entries = Object.entries(service as RpcService).map(([name, method]) => [
    name,
    methods.includes(name) ? { ...method, responseSerialize: (bytes: Buffer) => bytes } : method,
  ]);
  return Object.fromEntries(entries) as RpcService;
}
