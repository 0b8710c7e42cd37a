// etcd's services for clients, put on a driver.
import { etcdserverpb, healthpb, v3electionpb, v3lockpb } from "@lenj/proto/etcd";
import type { RpcCall, RpcDriver, RpcHandlers, RpcService } from "@lenj/rpc-server";
import { StoreError } from "../core/errors.js";
import { authService } from "./auth-service.js";
import { clusterService } from "./cluster-service.js";
import type { ServiceContext } from "./context.js";
import { electionService } from "./election-service.js";
import { healthService } from "./health-service.js";
import { kvService } from "./kv-service.js";
import { leaseService } from "./lease-service.js";
import { lockService } from "./lock-service.js";
import { maintenanceService } from "./maintenance-service.js";
import { watchService } from "./watch-service.js";

const healthPaths = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"];
/** What a learner answers; it lags, so nothing that must be current. */
const learnerPaths = new Set([
  "/etcdserverpb.Maintenance/Status",
  "/etcdserverpb.Maintenance/Snapshot",
  "/etcdserverpb.KV/Range",
  ...healthPaths,
]);

/** A service with what answers it, each method behind its access rule. */
export interface ClientService {
  readonly definition: RpcService;
  readonly handlers: RpcHandlers;
}

export function clientServices(context: ServiceContext): readonly ClientService[] {
  const behindRules = (service: object, handlers: RpcHandlers): ClientService => {
    const definition = context.messages?.counted(service as RpcService) ?? (service as RpcService);
    return { definition, handlers: context.access.secure(definition, handlers) };
  };
  return [
    behindRules(withEncodedResponses(etcdserverpb.KVService, ["range", "rangeStream", "put", "deleteRange", "txn"]), kvService(context)),
    behindRules(withEncodedResponses(etcdserverpb.WatchService, ["watch"]), watchService(context)),
    behindRules(etcdserverpb.LeaseService, leaseService(context)),
    behindRules(etcdserverpb.ClusterService, clusterService(context)),
    behindRules(etcdserverpb.MaintenanceService, maintenanceService(context)),
    behindRules(etcdserverpb.AuthService, authService(context)),
    behindRules(v3lockpb.LockService, lockService(context)),
    behindRules(v3electionpb.ElectionService, electionService(context)),
    behindRules(healthpb.HealthService, healthService(context)),
  ];
}

export function addClientServices(driver: RpcDriver, services: readonly ClientService[]): void {
  for (const { definition, handlers } of services) driver.addService(definition, handlers);
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
