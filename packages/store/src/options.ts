import { isIP } from "node:net";
import { type FlagValues, type LoggingChoice, type LogLevel, listFlag, stringFlag } from "@lenj/component-base";
import { parseRetention } from "./config.js";
import { parseTokenOptions } from "./drivers/auth/token-options.js";
import { unknownCipherSuite } from "./drivers/tls/cipher-suites.js";
import { choiceFlag, countFlag, numberFlag, switchFlag, timeFlag, urlsFlag } from "./flags/flag-kinds.js";

const bcryptCostMin = 4;
const bcryptCostMax = 31;

/** etcd's flags, as far as they mean something here. Times are milliseconds, as etcd has them. */
export const storeFlags = {
  "config-file": stringFlag("YAML file with the flags' names as keys; everything else is then ignored"),
  name: stringFlag("Name of this member", "default"),
  "data-dir": stringFlag("Folder of this member's data; default: <name>.etcd"),
  "listen-client-urls": urlsFlag("Where to serve clients", ["http://localhost:2379"]),
  "advertise-client-urls": urlsFlag("Where clients find this member", ["http://localhost:2379"]),
  "listen-peer-urls": urlsFlag("Where to serve other members", ["http://localhost:2380"]),
  "initial-advertise-peer-urls": urlsFlag("Where other members find this one", ["http://localhost:2380"]),
  "initial-cluster": listFlag("First members of the cluster: name=peer URL, ..."),
  "initial-cluster-state": choiceFlag("Whether to found a cluster or to join one that runs", "new", ["new", "existing"]),
  "force-new-cluster": switchFlag(
    "Make this member, with the data that it has, the only one of its cluster: when the quorum is lost for good",
  ),
  "strict-reconfig-check": switchFlag("Refuse membership changes that would cost the quorum", true),
  "max-learners": numberFlag("Most members that follow without a vote", 1),
  "initial-cluster-token": stringFlag("Keeps clusters on the same addresses apart", "etcd-cluster"),
  "listen-metrics-urls": urlsFlag("Where to serve metrics and health, and nothing else"),
  "cert-file": stringFlag("Certificate shown to clients"),
  "key-file": stringFlag("Key of that certificate"),
  "trusted-ca-file": stringFlag("Authority of client certificates"),
  "client-cert-auth": switchFlag("Ask clients for certificates"),
  "peer-cert-file": stringFlag("Certificate shown to other members"),
  "peer-key-file": stringFlag("Key of that certificate"),
  "peer-trusted-ca-file": stringFlag("Authority of other members' certificates"),
  "peer-client-cert-auth": switchFlag("Ask other members for certificates"),
  "peer-client-cert-file": stringFlag("Certificate shown to other members when calling them; default: --peer-cert-file"),
  "peer-client-key-file": stringFlag("Key of that certificate"),
  "auto-tls": switchFlag("Make a certificate to show to clients, where none is given"),
  "peer-auto-tls": switchFlag("Make a certificate to show to other members, where none is given; theirs are not verified then"),
  "self-signed-cert-validity": countFlag("Years that such certificates last", 1),
  "client-crl-file": stringFlag("Revocation list for clients' certificates"),
  "peer-crl-file": stringFlag("Revocation list for other members' certificates"),
  "client-cert-allowed-hostname": listFlag("Names, for one of which a client's certificate must be good"),
  "peer-cert-allowed-cn": listFlag("Common names, one of which another member's certificate must have"),
  "peer-cert-allowed-hostname": listFlag("Names, for one of which another member's certificate must be good"),
  "cipher-suites": listFlag("Suites of TLS 1.2 that are offered, by Go's names; default: the runtime's choice"),
  "tls-min-version": choiceFlag("Oldest version of TLS that is taken", "TLS1.2", ["", "TLS1.2", "TLS1.3"]),
  "tls-max-version": choiceFlag("Newest version of TLS that is taken", "", ["", "TLS1.2", "TLS1.3"]),
  cors: listFlag('Origins whose pages may ask over HTTP; "*": all', ["*"]),
  "host-whitelist": listFlag('Host names by which clients without TLS may ask over HTTP; "*": all', ["*"]),
  "heartbeat-interval": countFlag("Time between heartbeats in milliseconds", 100),
  "election-timeout": countFlag("Time without heartbeats before an election in milliseconds", 1_000),
  "disk-stall-timeout": timeFlag("A write of the raft log that takes longer makes a leader hand over; 0: an election timeout", 0),
  "snapshot-count": countFlag("Committed entries between log truncations", 10_000),
  "max-request-bytes": countFlag("Largest request in bytes", 1_572_864),
  "max-txn-ops": countFlag("Most operations in a transaction", 128),
  "quota-backend-bytes": numberFlag("Bytes of data past which writes are refused; 0: 2 GiB", 0),
  "auto-compaction-mode": stringFlag('"periodic" or "revision"', "periodic"),
  "auto-compaction-retention": stringFlag("Hours or duration (periodic), or revisions, to keep; 0: no automatic compaction", "0"),
  "corrupt-check-time": timeFlag("Time between comparisons of the members' data by hash; 0: never", 0),
  "experimental-corrupt-check-time": timeFlag("The same, as older versions call it", 0),
  "initial-corrupt-check": switchFlag("Compare this member's data with its peers' before serving"),
  "experimental-initial-corrupt-check": switchFlag("The same, as older versions call it"),
  "auth-token": stringFlag('"simple", or "jwt,sign-method=...,pub-key=FILE,priv-key=FILE,ttl=5m"', "simple"),
  "auth-token-ttl": numberFlag("Seconds that an unused simple token lives", 300),
  "bcrypt-cost": numberFlag("Base-2 logarithm of the rounds of password hashes, 4 to 31", 10),
  "warning-apply-duration": timeFlag("Warn of commands and reads that take longer to apply", 100),
  "warning-unary-request-duration": timeFlag("Warn of requests that take longer", 300),
  "experimental-warning-apply-duration": timeFlag("The same as --warning-apply-duration, as older versions call it", 0),
  "experimental-warning-unary-request-duration": timeFlag("The same as --warning-unary-request-duration, as older versions call it", 0),
  "experimental-max-learners": numberFlag("The same as --max-learners, as older versions call it", 0),
  "archive-dir": stringFlag("Folder to archive committed entries in, for restores to a point in time; default: none"),
  "archive-bytes-max": countFlag("Bytes of archive past which its oldest segments are removed", 8 * 1024 * 1024 * 1024),
  "enable-grpc-gateway": switchFlag("Answer JSON over HTTP at the addresses for clients", true),
  "max-concurrent-streams": countFlag("Most calls that are open on one client's connection", 10_000),
  "grpc-keepalive-min-time": timeFlag("A client may ping this often; 0: every five minutes", 5_000),
  "grpc-keepalive-interval": timeFlag("A connection that is silent for so long is pinged; 0: never", 2 * 3_600_000),
  "grpc-keepalive-timeout": timeFlag("It is ended when it stays silent for so long after that; 0: connections are not pinged", 20_000),
  "watch-progress-notify-interval": timeFlag("A quiet watch that asked for it hears this often how far it has come", 600_000),
  "experimental-watch-progress-notify-interval": timeFlag("The same, as older versions call it", 0),
  "grpc-driver": stringFlag('What carries gRPC: "lean" (HTTP/2 of its own) or "grpc-js"', "lean"),
  logger: stringFlag('"zap" or, as older versions call it, "capnslog": lines are JSON in either case', "zap"),
  "log-level": stringFlag("debug, info, warn, error, panic or fatal", "info"),
  "log-outputs": listFlag('Where lines go: "default" and "stderr", "stdout", or files', ["default"]),
  debug: switchFlag("The same as --log-level=debug"),
} as const;

/** zap's levels, and what is logged from each on. */
const logLevels: Readonly<Record<string, LogLevel>> = {
  ...{ debug: "debug", info: "info", warn: "warn", error: "error" },
  ...{ dpanic: "error", panic: "error", fatal: "error" },
};

/** How the process logs, of options that validation has passed. */
export function loggingOf(options: Pick<StoreOptions, "debug" | "logLevel" | "logOutputs">): LoggingChoice {
  return {
    level: options.debug ? "debug" : (logLevels[options.logLevel] ?? "info"),
    outputs: options.logOutputs.map((output) => (output === "default" ? "stderr" : output)),
  };
}

export type StoreOptions = FlagValues<typeof storeFlags>;

/** What is wrong with flags that could be read, in etcd's words where it refuses the same. `given`: those that do not have their default. */
export function validateStoreOptions(options: StoreOptions, given: ReadonlySet<string> = new Set()): string[] {
  const problems: string[] = [];
  for (const flag of ["listen-peer-urls", "listen-client-urls", "listen-metrics-urls"] as const)
    problems.push(...bindProblems(options[urlsOf[flag]]));
  for (const url of [...options.initialAdvertisePeerUrls, ...options.advertiseClientUrls])
    if (hostOf(url) === "") problems.push(`unexpected empty host (${url})`);
  if (given.has("listen-client-urls") && !given.has("advertise-client-urls"))
    problems.push("--advertise-client-urls is required when --listen-client-urls is set explicitly");
  for (const pair of options.initialCluster)
    if (!/^[^=]+=https?:\/\/.+:\d+$/.test(pair)) problems.push(`--initial-cluster: must be name=URL, got ${JSON.stringify(pair)}`);
  if (options.initialCluster.length > 0 && !options.initialCluster.some((pair) => pair.startsWith(`${options.name}=`))) {
    problems.push(`couldn't find local name ${JSON.stringify(options.name)} in the initial cluster configuration`);
  }
  if (options.logger !== "zap" && options.logger !== "capnslog") problems.push(`unknown logger option ${JSON.stringify(options.logger)}`);
  if (!Object.hasOwn(logLevels, options.logLevel)) problems.push(`unrecognized level: ${JSON.stringify(options.logLevel)}`);
  if (options.maxLearners <= 0) problems.push("--max-learners must be >0");
  if (options.grpcDriver !== "lean" && options.grpcDriver !== "grpc-js")
    problems.push(`--grpc-driver must be "lean" or "grpc-js", got ${JSON.stringify(options.grpcDriver)}`);
  if (options.heartbeatInterval <= 0) problems.push("--heartbeat-interval must be >0");
  if (options.electionTimeout < 5 * options.heartbeatInterval)
    problems.push(
      `--election-timeout[${options.electionTimeout}ms] should be at least as 5 times as --heartbeat-interval[${options.heartbeatInterval}ms]`,
    );
  if (options.electionTimeout > 50_000)
    problems.push(`--election-timeout[${options.electionTimeout}ms] is too long, and should be set less than 50000ms`);
  if (options.diskStallTimeout < 0) problems.push("--disk-stall-timeout must be >=0");
  if (options.autoCompactionMode !== "periodic" && options.autoCompactionMode !== "revision")
    problems.push(`unknown auto-compaction-mode ${JSON.stringify(options.autoCompactionMode)}`);
  else if (Number.isNaN(parseRetention(options.autoCompactionMode, options.autoCompactionRetention)))
    problems.push(`error parsing CompactionRetention: time: invalid duration ${JSON.stringify(options.autoCompactionRetention)}`);
  if (options.corruptCheckTime < 0 || options.experimentalCorruptCheckTime < 0) problems.push("--corrupt-check-time must be >=0");
  const token = parseTokenOptions(options.authToken);
  if (token.kind === "invalid") problems.push(`--auth-token: ${token.problem}`);
  if (options.authTokenTtl <= 0) problems.push("--auth-token-ttl must be >0");
  if (options.bcryptCost < bcryptCostMin || options.bcryptCost > bcryptCostMax)
    problems.push(`--bcrypt-cost must be between ${bcryptCostMin} and ${bcryptCostMax}, got ${options.bcryptCost}`);
  if (options.warningApplyDuration <= 0) problems.push("--warning-apply-duration must be >0");
  if (options.warningUnaryRequestDuration <= 0) problems.push("--warning-unary-request-duration must be >0");
  if (options.maxConcurrentStreams <= 0) problems.push("--max-concurrent-streams must be >0");
  if (options.watchProgressNotifyInterval <= 0) problems.push("--watch-progress-notify-interval must be >0");
  for (const flag of ["grpcKeepaliveMinTime", "grpcKeepaliveInterval", "grpcKeepaliveTimeout"] as const)
    if (options[flag] < 0) problems.push(`--${flagOf[flag]} must be >=0`);
  if (options.archiveBytesMax <= 0) problems.push("--archive-bytes-max must be >0");
  problems.push(...tlsProblems(options));
  return problems;
}

const flagOf = {
  grpcKeepaliveMinTime: "grpc-keepalive-min-time",
  grpcKeepaliveInterval: "grpc-keepalive-interval",
  grpcKeepaliveTimeout: "grpc-keepalive-timeout",
} as const;

const urlsOf = {
  "listen-peer-urls": "listenPeerUrls",
  "listen-client-urls": "listenClientUrls",
  "listen-metrics-urls": "listenMetricsUrls",
} as const;

const hostOf = (url: string): string => /^https?:\/\/\[?(.*?)\]?:\d*$/.exec(url)?.[1] ?? "";

/** Sockets are bound to addresses. Upstream: checkBindURLs. */
function bindProblems(urls: readonly string[]): string[] {
  const named = urls.filter((url) => hostOf(url) !== "localhost" && isIP(hostOf(url)) === 0);
  return named.map((url) => `expected IP in URL for binding (${url})`);
}

function tlsProblems(options: StoreOptions): string[] {
  const problems: string[] = [];
  const suite = unknownCipherSuite(options.cipherSuites);
  if (suite !== undefined) problems.push(`unexpected TLS cipher suite ${JSON.stringify(suite)}`);
  if (options.tlsMinVersion === "TLS1.3" && options.tlsMaxVersion === "TLS1.2")
    problems.push("min version (TLS1.3) is greater than max version (TLS1.2)");
  if (options.tlsMinVersion === "TLS1.3" && options.cipherSuites.length > 0)
    problems.push("cipher suites cannot be configured when only TLS1.3 is enabled");
  if (options.peerCertAllowedCn.length > 0 && options.peerCertAllowedHostname.length > 0)
    problems.push("--peer-cert-allowed-cn and --peer-cert-allowed-hostname are mutually exclusive");
  if (options.selfSignedCertValidity === 0) problems.push("selfSignedCertValidity is invalid,it should be greater than 0");
  if ((options.peerClientCertFile === "") !== (options.peerClientKeyFile === ""))
    problems.push("--peer-client-cert-file and --peer-client-key-file must be given together");
  const secure = (urls: readonly string[]): string | undefined => urls.find((url) => url.startsWith("https:"));
  const client = secure([...options.listenClientUrls, ...options.listenMetricsUrls]);
  if (client !== undefined && !options.autoTls && (options.certFile === "" || options.keyFile === ""))
    problems.push(`TLS key/cert (--cert-file, --key-file) must be provided for client url ${client} with HTTPS scheme`);
  const peer = secure(options.listenPeerUrls);
  if (peer !== undefined && !options.peerAutoTls && (options.peerCertFile === "" || options.peerKeyFile === ""))
    problems.push(`TLS key/cert (--peer-cert-file, --peer-key-file) must be provided for peer url ${peer} with HTTPS scheme`);
  return problems;
}
