// The gRPC face to clients: etcd's services on one or more listeners.
//
// Owns:  the server, its listeners and the open watch streams.
// Not:   what requests mean (services), the log (replica).
import { readFileSync } from "node:fs";
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";
import type { Clock, Logger, Random } from "@lenj/base";
import { etcdserverpb } from "@lenj/proto/etcd";
import { StoreError } from "../../core/errors.js";
import type { Replica } from "../../replica/replica.js";
import type { LevelBackend } from "../level/level-backend.js";
import type { Header } from "./answer-codec.js";
import { unary } from "./call.js";
import { clusterService } from "./cluster-service.js";
import { kvService } from "./kv-service.js";
import { leaseService } from "./lease-service.js";
import { maintenanceService } from "./maintenance-service.js";
import { watchService } from "./watch-service.js";

/** What `etcdctl endpoint status` and version checks of clients see: the etcd whose API this is. */
export const storeVersion = "3.6.0";

export interface LeaseKeeperPort {
  /** Seconds of the lease's full time; undefined: no such lease. Rejects when there is no leader to ask. */
  renew(id: bigint): Promise<number | undefined>;
  times(id: bigint): Promise<{ readonly remainingSeconds: number; readonly grantedSeconds: number } | undefined>;
}

export interface FrontContext {
  readonly replica: Replica;
  readonly backend: LevelBackend;
  readonly leases: LeaseKeeperPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly txnOpsMax: number;
  readonly maxRequestBytes: number;
  readonly quotaBytes: number;
  /** Open watch streams; ended when the front closes. */
  readonly streams: Set<{ close(): void }>;
  header(revision: number): Header;
}

export interface ListenOptions {
  /** host:port. */
  readonly addresses: readonly string[];
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile: string; readonly requireClientCert: boolean };
  readonly maxRequestBytes: number;
}

/** Room for the frame around a request of the largest size. Upstream: grpcOverheadBytes. */
const overheadBytes = 512 * 1024;
const sendBytesMax = 2 ** 31 - 1;

export function createServer(options: ListenOptions): Server {
  return new Server({
    "grpc.max_receive_message_length": options.maxRequestBytes + overheadBytes,
    "grpc.max_send_message_length": sendBytesMax,
    "grpc.max_concurrent_streams": 2 ** 31 - 1,
    "grpc.keepalive_time_ms": 2 * 3_600_000,
  });
}

/** Binds every address. Rejects with the address and the system's word for what is wrong. */
export async function listen(server: Server, options: ListenOptions): Promise<void> {
  const credentials = credentialsOf(options);
  for (const address of options.addresses) {
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(address, credentials, (error) =>
        error === null ? resolve() : reject(new Error(`listen tcp ${address}: ${error.message}`, { cause: error })),
      );
    });
  }
}

function credentialsOf({ tls }: ListenOptions): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = { cert_chain: readFileSync(tls.certFile), private_key: readFileSync(tls.keyFile) };
  return ServerCredentials.createSsl(tls.caFile === "" ? null : readFileSync(tls.caFile), [pair], tls.requireClientCert);
}

/** Adds etcd's services for clients. */
export function addClientServices(server: Server, context: FrontContext): void {
  server.addService(withEncodedResponses(etcdserverpb.KVService, ["range", "put", "deleteRange", "txn"]), kvService(context));
  server.addService(withEncodedResponses(etcdserverpb.WatchService, ["watch"]), watchService(context));
  server.addService(etcdserverpb.LeaseService as unknown as ServiceDefinition, leaseService(context));
  server.addService(etcdserverpb.ClusterService as unknown as ServiceDefinition, clusterService(context));
  server.addService(etcdserverpb.MaintenanceService as unknown as ServiceDefinition, maintenanceService(context));
  server.addService(etcdserverpb.AuthService as unknown as ServiceDefinition, authService(context));
}

/** The handlers of these methods answer with encoded messages. */
function withEncodedResponses(service: object, methods: readonly string[]): ServiceDefinition {
  const entries = Object.entries(service as ServiceDefinition).map(([name, method]) => [
    name,
    methods.includes(name) ? { ...method, responseSerialize: (bytes: Buffer) => bytes } : method,
  ]);
  return Object.fromEntries(entries) as ServiceDefinition;
}

/** Users and roles are not kept yet: authentication is off, and says so. */
function authService(context: FrontContext): UntypedServiceImplementation {
  const { logger, replica, header } = context;
  return {
    authStatus: unary(
      logger,
      (): etcdserverpb.AuthStatusResponse => ({ header: header(replica.state.space.currentRevision), enabled: false, authRevision: 1 }),
    ),
    authenticate: unary(logger, () => Promise.reject(new StoreError("AUTH_NOT_ENABLED"))),
    authEnable: unary(logger, () => Promise.reject(new StoreError("ROOT_USER_NOT_EXIST"))),
    authDisable: unary(logger, (): etcdserverpb.AuthDisableResponse => ({ header: header(replica.state.space.currentRevision) })),
  };
}
