// The store's configuration, decided from its flags.

import { parseDuration } from "@lenj/component-base";
import type { KeepAliveOptions } from "@lenj/rpc-server";
import { parseTokenOptions, type TokenOptions } from "./drivers/auth/token-options.js";
import type { WebRules } from "./drivers/http/web-rules.js";
import type { AdmissionRules } from "./drivers/tls/admission.js";
import { ownCertificateFiles } from "./drivers/tls/own-certificate.js";
import type { StoreOptions } from "./options.js";
import { memberIDOf } from "./services/membership-changes.js";

export interface TLSFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  /** Shown as a client, to other members. */
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  readonly requireClientCert: boolean;
  /** The member makes the certificate itself, as the others do: nobody vouches for it, and nobody's is verified. */
  readonly isSelfMade: boolean;
  readonly admission: AdmissionRules;
  readonly cipherSuites: readonly string[];
  readonly minVersion: TLSVersion | undefined;
  readonly maxVersion: TLSVersion | undefined;
}

export type TLSVersion = "TLSv1.2" | "TLSv1.3";

export interface InitialMember {
  readonly id: bigint;
  readonly name: string;
  readonly peerURLs: readonly string[];
}

export interface StoreConfig {
  readonly name: string;
  readonly dataDir: string;
  readonly listenClientURLs: readonly string[];
  readonly advertiseClientURLs: readonly string[];
  readonly listenPeerURLs: readonly string[];
  readonly metricsURLs: readonly string[];
  readonly clientTLS: TLSFiles;
  readonly peerTLS: TLSFiles;
  /** The common name of a client's certificate is the user that it calls as. */
  readonly usesClientCertificates: boolean;
  /** How long certificates last that the member makes for itself. */
  readonly selfSignedYears: number;
  readonly web: WebRules;
  readonly initialMembers: readonly InitialMember[];
  readonly isNewCluster: boolean;
  /** A member that has data starts as the only one of its cluster. */
  readonly forcesNewCluster: boolean;
  readonly clusterToken: string;
  /** Refuses membership changes that would cost the quorum. */
  readonly isReconfigStrict: boolean;
  readonly learnersMax: number;
  readonly heartbeatMs: number;
  readonly electionTicks: number;
  /** A write of the raft log that takes longer is a stall. */
  readonly diskStallMs: number;
  readonly snapshotCount: number;
  readonly maxRequestBytes: number;
  readonly grpcDriver: "lean" | "grpc-js";
  /** Of clients' connections. */
  readonly keepAlive: KeepAliveOptions;
  readonly concurrentStreamsMax: number;
  readonly servesGateway: boolean;
  readonly watchProgressMs: number;
  readonly txnOpsMax: number;
  readonly quotaBytes: number;
  /** Milliseconds from which a request, and the applying of a command or a read, are warned of. */
  readonly warnings: { readonly warnRequestMs: number; readonly warnApplyMs: number };
  /** Empty: no archive. */
  readonly archiveDir: string;
  readonly archiveBytesMax: number;
  readonly auth: { readonly token: TokenOptions; readonly tokenTTLMs: number; readonly bcryptCost: number };
  /** Between comparisons of the members' data; 0: never. */
  readonly corruptCheckMs: number;
  readonly initialCorruptCheck: boolean;
  readonly autoCompaction: { readonly mode: "periodic" | "revision"; readonly retention: number };
}

const grpcPingIntervalMsMin = 5 * 60_000;
const defaultQuotaBytes = 2 * 1024 * 1024 * 1024;

export function createConfig(options: StoreOptions): StoreConfig {
  const dataDir = options.dataDir === "" ? `${options.name}.etcd` : options.dataDir;
  return {
    name: options.name,
    dataDir,
    listenClientURLs: options.listenClientUrls,
    advertiseClientURLs: options.advertiseClientUrls,
    listenPeerURLs: options.listenPeerUrls,
    metricsURLs: options.listenMetricsUrls,
    clientTLS: clientTLSOf(options, dataDir),
    peerTLS: peerTLSOf(options, dataDir),
    usesClientCertificates: options.clientCertAuth,
    selfSignedYears: options.selfSignedCertValidity,
    web: { origins: anyOr(options.cors), hosts: anyOr(options.hostWhitelist) },
    initialMembers: parseInitialCluster(
      options.initialCluster.length > 0 ? options.initialCluster : options.initialAdvertisePeerUrls.map((url) => `${options.name}=${url}`),
      options.initialClusterToken,
    ),
    isNewCluster: options.initialClusterState === "new",
    forcesNewCluster: options.forceNewCluster,
    clusterToken: options.initialClusterToken,
    isReconfigStrict: options.strictReconfigCheck,
    learnersMax: options.experimentalMaxLearners || options.maxLearners,
    heartbeatMs: options.heartbeatInterval,
    electionTicks: Math.max(2, Math.round(options.electionTimeout / options.heartbeatInterval)),
    diskStallMs: options.diskStallTimeout === 0 ? options.electionTimeout : options.diskStallTimeout,
    snapshotCount: options.snapshotCount,
    maxRequestBytes: options.maxRequestBytes,
    grpcDriver: options.grpcDriver as "lean" | "grpc-js",
    keepAlive: keepAliveOf(options),
    concurrentStreamsMax: options.maxConcurrentStreams,
    servesGateway: options.enableGrpcGateway,
    watchProgressMs: options.experimentalWatchProgressNotifyInterval || options.watchProgressNotifyInterval,
    txnOpsMax: options.maxTxnOps,
    quotaBytes: options.quotaBackendBytes === 0 ? defaultQuotaBytes : options.quotaBackendBytes,
    auth: {
      token: tokenOptions(options.authToken),
      tokenTTLMs: options.authTokenTtl * 1_000,
      bcryptCost: options.bcryptCost,
    },
    warnings: {
      warnRequestMs: options.experimentalWarningUnaryRequestDuration || options.warningUnaryRequestDuration,
      warnApplyMs: options.experimentalWarningApplyDuration || options.warningApplyDuration,
    },
    archiveDir: options.archiveDir,
    archiveBytesMax: options.archiveBytesMax,
    corruptCheckMs: Math.max(options.corruptCheckTime, options.experimentalCorruptCheckTime),
    initialCorruptCheck: options.initialCorruptCheck || options.experimentalInitialCorruptCheck,
    autoCompaction: {
      mode: options.autoCompactionMode as "periodic" | "revision",
      retention: parseRetention(options.autoCompactionMode, options.autoCompactionRetention),
    },
  };
}

/** As upstream has it, 0 for one of the last two means no pings, and 0 for the first grpc-go's own default. */
function keepAliveOf(options: StoreOptions): KeepAliveOptions {
  const { grpcKeepaliveMinTime, grpcKeepaliveInterval, grpcKeepaliveTimeout } = options;
  return {
    pingIntervalMsMin: grpcKeepaliveMinTime || grpcPingIntervalMsMin,
    pingAfterMs: grpcKeepaliveInterval > 0 && grpcKeepaliveTimeout > 0 ? grpcKeepaliveInterval : Number.POSITIVE_INFINITY,
    pingTimeoutMs: grpcKeepaliveTimeout,
  };
}

/** "*" among them, or nothing: all. */
const anyOr = (names: readonly string[]): readonly string[] | undefined => (names.length === 0 || names.includes("*") ? undefined : names);

/** As upstream has it, an authority is enough to ask for certificates. */
function clientTLSOf(options: StoreOptions, dataDir: string): TLSFiles {
  const isSelfMade = options.autoTls && (options.certFile === "" || options.keyFile === "");
  const own = ownCertificateFiles(`${dataDir}/fixtures/client`);
  const { certFile, keyFile } = isSelfMade ? own : options;
  return {
    ...{ certFile, keyFile, caFile: options.trustedCaFile, clientCertFile: certFile, clientKeyFile: keyFile, isSelfMade },
    requireClientCert: options.clientCertAuth || options.trustedCaFile !== "",
    admission: { crlFile: options.clientCrlFile, allowedCNs: [], allowedHostnames: options.clientCertAllowedHostname },
    ...versionsOf(options),
  };
}

function peerTLSOf(options: StoreOptions, dataDir: string): TLSFiles {
  const isSelfMade = options.peerAutoTls && (options.peerCertFile === "" || options.peerKeyFile === "");
  const own = ownCertificateFiles(`${dataDir}/fixtures/peer`);
  const { certFile, keyFile } = isSelfMade ? own : { certFile: options.peerCertFile, keyFile: options.peerKeyFile };
  return {
    ...{ certFile, keyFile, caFile: options.peerTrustedCaFile, isSelfMade },
    clientCertFile: options.peerClientCertFile || certFile,
    clientKeyFile: options.peerClientKeyFile || keyFile,
    requireClientCert: options.peerClientCertAuth || options.peerTrustedCaFile !== "",
    admission: {
      crlFile: options.peerCrlFile,
      allowedCNs: options.peerCertAllowedCn,
      allowedHostnames: options.peerCertAllowedHostname,
    },
    ...versionsOf(options),
  };
}

function versionsOf(options: StoreOptions): Pick<TLSFiles, "cipherSuites" | "minVersion" | "maxVersion"> {
  const versions = { "": undefined, "TLS1.2": "TLSv1.2", "TLS1.3": "TLSv1.3" } as const;
  return {
    cipherSuites: options.cipherSuites,
    minVersion: versions[options.tlsMinVersion as keyof typeof versions],
    maxVersion: versions[options.tlsMaxVersion as keyof typeof versions],
  };
}

/** Of a text that validation has passed. */
function tokenOptions(text: string): TokenOptions {
  const parsed = parseTokenOptions(text);
  return parsed.kind === "invalid" ? { kind: "simple" } : parsed;
}

/** Pairs of `name=URL`, a name once for each of its URLs; by ID. */
export function parseInitialCluster(pairs: readonly string[], clusterToken: string): InitialMember[] {
  const urlsByName = new Map<string, string[]>();
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const name = pair.slice(0, at);
    urlsByName.set(name, [...(urlsByName.get(name) ?? []), pair.slice(at + 1)]);
  }
  return [...urlsByName]
    .map(([name, peerURLs]) => ({ id: memberIDOf(peerURLs, clusterToken), name, peerURLs }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Periodic: hours as a bare number, or a duration, in milliseconds. By revision: a count. 0: off. NaN: neither. */
export function parseRetention(mode: string, text: string): number {
  if (text === "") return 0;
  if (/^\d+$/.test(text)) return mode === "revision" ? Number(text) : Number(text) * 3_600_000;
  if (mode === "revision") return Number.NaN;
  try {
    return parseDuration(text);
  } catch {
    return Number.NaN;
  }
}
