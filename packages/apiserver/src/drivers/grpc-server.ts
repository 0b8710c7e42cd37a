// The gRPC listener: TLS with optional client certificates, the resource service, health and reflection.
//
// Owns:  the listening socket and its connections.
// Not:   what calls mean (see grpc/resource-service.ts).
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { ResourceServiceServer } from "@lenj/proto/lenj";
import { ResourceServiceService } from "@lenj/proto/lenj";
import { addHealthService } from "./grpc-health.js";
import { addReflectionService } from "./grpc-reflection.js";

export interface GrpcServerOptions {
  readonly address: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly tls: GrpcTLS;
  readonly service: ResourceServiceServer;
}

export interface GrpcTLS {
  readonly cert: string;
  readonly key: string;
  readonly clientCA: string | undefined;
}

export interface GrpcServer {
  readonly port: number;
  replaceCertificate(tls: GrpcTLS): void;
  /** Tells health watchers and refuses new calls; calls in work go on. */
  stopAccepting(): void;
  close(): Promise<void>;
}

/** Enough for an object of the largest size with its frame; lists come in chunks. */
const messageBytesMax = 8 * 1024 * 1024;

/** Asks for a client certificate but takes clients without one: they may carry a token. */
class OptionalClientCertificate extends ServerCredentials {
  constructor(tls: GrpcTLS) {
    super({ requestCert: tls.clientCA !== undefined, rejectUnauthorized: false }, secureContext(tls));
  }

  _equals(other: ServerCredentials): boolean {
    return this === other;
  }

  replace(tls: GrpcTLS): void {
    this.updateSecureContextOptions(secureContext(tls));
  }
}

function secureContext(tls: GrpcTLS): { ca?: Buffer; cert: Buffer[]; key: Buffer[] } {
  return {
    ...(tls.clientCA !== undefined && { ca: Buffer.from(tls.clientCA) }),
    cert: [Buffer.from(tls.cert)],
    key: [Buffer.from(tls.key)],
  };
}

/** Rejects with the listen error. */
export async function listenGrpc(options: GrpcServerOptions): Promise<GrpcServer> {
  const server = new Server({
    "grpc.max_receive_message_length": messageBytesMax,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": 10_000,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
  });
  server.addService(ResourceServiceService, options.service);
  const stopServing = addHealthService(server);
  addReflectionService(server);
  const credentials = new OptionalClientCertificate(options.tls);
  const port = await new Promise<number>((resolve, reject) => {
    const host = options.address.includes(":") ? `[${options.address}]` : options.address;
    server.bindAsync(`${host}:${options.port}`, credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  let closed: Promise<void> | undefined;
  return {
    port,
    replaceCertificate: (tls) => credentials.replace(tls),
    stopAccepting: stopServing,
    close: () =>
      (closed ??= new Promise((resolve) => {
        server.forceShutdown();
        resolve();
      })),
  };
}
