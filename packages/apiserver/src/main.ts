#!/usr/bin/env node
// The api-server: flags → settings → server, until a signal.
import { networkInterfaces } from "node:os";
import { builtinResources } from "@lenj/api";
import type { ComponentContext } from "@lenj/component-base";
import { type RunningComponent, readTLSFiles, runComponent, watchTLSFiles } from "@lenj/component-base";
import { createEtcdClient } from "@lenj/etcd-client";
import { loadDescriptions, loadSchemaTable } from "@lenj/proto/k8s-schema";
import { createAuth } from "./auth/index.js";
import { parseIPRange } from "./core/ip-range.js";
import { parsePortRange } from "./core/port-bitmap.js";
import { runCompactor } from "./drivers/compactor.js";
import { EtcdStorage } from "./drivers/etcd-storage.js";
import type { StorageMediaType } from "./drivers/schema-codec.js";
import { type APIServerOptions, apiserverFlags, validateOptions } from "./options.js";
import type { KubeletAccess } from "./proxy/subresource-proxies.js";
import { type ServerTLS, startServer } from "./server.js";

await runComponent({
  name: "lenj-apiserver",
  description: "The Kubernetes API over REST and gRPC, kept in an etcd v3 store.",
  flags: apiserverFlags,
  validate: (options) => validateOptions(options),
  start,
});

async function start(options: APIServerOptions, context: ComponentContext): Promise<RunningComponent> {
  const { logger, clock, random } = context;
  const client = createEtcdClient({ endpoints: options.etcdServers, tls: storeTLS(options), logger });
  const tlsFiles = servingFiles(options);
  const server = await startServer(
    {
      declarations: builtinResources,
      schemaTable: loadSchemaTable(),
      loadDescriptions,
      storage: new EtcdStorage(client, clock),
      keyRoot: `${options.etcdPrefix.replace(/\/+$/, "")}/`,
      storageMediaType: options.storageMediaType as StorageMediaType,
      address: options.bindAddress,
      port: options.securePort,
      tls: serverTLS(readTLSFiles(tlsFiles)),
      createAuth: ({ reader }) => createAuth({ options, reader, clock, random, logger }),
      admission: {
        enabled: options.enableAdmissionPlugins,
        disabled: options.disableAdmissionPlugins,
        tolerationSeconds: {
          notReady: options.defaultNotReadyTolerationSeconds,
          unreachable: options.defaultUnreachableTolerationSeconds,
        },
      },
      allowAnonymous: options.anonymousAuth,
      alwaysAllowPaths: options.authorizationAlwaysAllowPaths,
      maxRequestsInFlight: options.maxRequestsInflight,
      maxMutatingRequestsInFlight: options.maxMutatingRequestsInflight,
      requestTimeoutMs: options.requestTimeout,
      advertiseAddress: advertiseAddress(options),
      grpcPort: options.grpcPort === 0 ? undefined : options.grpcPort,
      kubelets: kubeletAccess(options),
      serviceRanges: options.serviceClusterIpRange.split(",").map((range) => parseIPRange(range)),
      nodePortRange: parsePortRange(options.serviceNodePortRange),
      kubernetesServiceNodePort: options.kubernetesServiceNodePort,
      compact:
        options.etcdCompactionInterval === 0
          ? undefined
          : (signal) => runCompactor({ client, clock, logger, intervalMs: options.etcdCompactionInterval }, signal),
      shutdownDelayMs: options.shutdownDelayDuration,
      eventTTLSeconds: Math.ceil(options.eventTtl / 1_000),
      build: {
        commit: "",
        buildDate: "1970-01-01T00:00:00Z",
        runtimeVersion: process.version,
        platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
      },
    },
    context,
  );
  const stopWatching = watchTLSFiles(tlsFiles, (material) => server.replaceCertificate(serverTLS(material)));
  return {
    failed: server.failed,
    close: async () => {
      stopWatching();
      await server.close();
      await client.close();
    },
  };
}

function storeTLS(options: APIServerOptions): NonNullable<Parameters<typeof createEtcdClient>[0]["tls"]> {
  const { ca, cert, key } = readTLSFiles({ caFile: options.etcdCafile, certFile: options.etcdCertfile, keyFile: options.etcdKeyfile });
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
}

function kubeletAccess(options: APIServerOptions): KubeletAccess {
  const { cert, key, ca } = readTLSFiles({
    certFile: options.kubeletClientCertificate,
    keyFile: options.kubeletClientKey,
    caFile: options.kubeletCertificateAuthority,
  });
  return { preferredAddressTypes: options.kubeletPreferredAddressTypes, cert, key, ca, connectTimeoutMs: options.kubeletTimeout };
}

function servingFiles(options: APIServerOptions): { certFile: string; keyFile: string; caFile: string } {
  return {
    certFile: options.tlsCertFile !== "" ? options.tlsCertFile : `${options.certDir}/apiserver.crt`,
    keyFile: options.tlsPrivateKeyFile !== "" ? options.tlsPrivateKeyFile : `${options.certDir}/apiserver.key`,
    caFile: options.clientCaFile,
  };
}

function serverTLS(material: ReturnType<typeof readTLSFiles>): ServerTLS {
  if (material.cert === undefined || material.key === undefined) throw new Error("Cannot serve: certificate or key is missing");
  return { cert: material.cert, key: material.key, clientCA: material.ca };
}

/** The address under which others reach this server. */
function advertiseAddress(options: APIServerOptions): string {
  if (options.advertiseAddress !== "") return options.advertiseAddress;
  if (options.bindAddress !== "0.0.0.0" && options.bindAddress !== "::") return options.bindAddress;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
}
