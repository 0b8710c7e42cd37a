import { boolFlag, durationFlag, type FlagValues, intFlag, listFlag, stringFlag } from "@lenj/component-base";
import { parseRetention } from "./config.js";
import { parseTokenOptions } from "./drivers/auth/token-options.js";

const bcryptCostMin = 4;
const bcryptCostMax = 31;

/** etcd's flags that mean nothing here: taken, so that its scripts run, and named in the log at the start. */
export const ignoredFlags = {
  ...strings("logger", "log-outputs", "log-package-levels", "metrics", "cors", "host-whitelist", "wal-dir"),
  ...strings("max-snapshots", "max-wals", "backend-batch-interval", "backend-batch-limit", "max-concurrent-streams", "feature-gates"),
  ...strings("grpc-keepalive-interval", "grpc-keepalive-min-time", "grpc-keepalive-timeout", "warning-apply-duration"),
  ...strings("experimental-compaction-batch-limit", "experimental-corrupt-check-time", "experimental-warning-apply-duration"),
  ...strings("experimental-watch-progress-notify-interval", "experimental-backend-bbolt-freelist-type", "proxy"),
  ...switches("enable-v2", "enable-pprof", "enable-grpc-gateway", "pre-vote", "initial-election-tick-advance", "debug"),
  ...switches("experimental-initial-corrupt-check", "experimental-enable-lease-checkpoint", "experimental-enable-lease-checkpoint-persist"),
};

function strings(...names: readonly string[]): Record<string, ReturnType<typeof stringFlag>> {
  return Object.fromEntries(names.map((name) => [name, stringFlag("Taken, means nothing here")]));
}

function switches(...names: readonly string[]): Record<string, ReturnType<typeof boolFlag>> {
  return Object.fromEntries(names.map((name) => [name, boolFlag("Taken, means nothing here")]));
}

/** etcd's flags, as far as they mean something here. Times are milliseconds, as etcd has them. */
export const storeFlags = {
  name: stringFlag("Name of this member", "default"),
  "data-dir": stringFlag("Folder of this member's data; default: <name>.etcd"),
  "listen-client-urls": listFlag("Where to serve clients", ["http://localhost:2379"]),
  "advertise-client-urls": listFlag("Where clients find this member", ["http://localhost:2379"]),
  "listen-peer-urls": listFlag("Where to serve other members", ["http://localhost:2380"]),
  "initial-advertise-peer-urls": listFlag("Where other members find this one", ["http://localhost:2380"]),
  "initial-cluster": listFlag("First members of the cluster: name=peer URL, ..."),
  "initial-cluster-state": stringFlag('"new", or "existing" to join a running cluster', "new"),
  "strict-reconfig-check": boolFlag("Refuse membership changes that would cost the quorum", true),
  "max-learners": intFlag("Most members that follow without a vote", 1),
  "initial-cluster-token": stringFlag("Keeps clusters on the same addresses apart", "etcd-cluster"),
  "listen-metrics-urls": listFlag("Where to serve metrics and health over plain HTTP"),
  "cert-file": stringFlag("Certificate shown to clients"),
  "key-file": stringFlag("Key of that certificate"),
  "trusted-ca-file": stringFlag("Authority of client certificates"),
  "client-cert-auth": boolFlag("Ask clients for certificates"),
  "peer-cert-file": stringFlag("Certificate shown to other members"),
  "peer-key-file": stringFlag("Key of that certificate"),
  "peer-trusted-ca-file": stringFlag("Authority of other members' certificates"),
  "peer-client-cert-auth": boolFlag("Ask other members for certificates"),
  "heartbeat-interval": intFlag("Time between heartbeats in milliseconds", 100),
  "election-timeout": intFlag("Time without heartbeats before an election in milliseconds", 1_000),
  "snapshot-count": intFlag("Committed entries between log truncations", 10_000),
  "max-request-bytes": intFlag("Largest request in bytes", 1_572_864),
  "max-txn-ops": intFlag("Most operations in a transaction", 128),
  "quota-backend-bytes": intFlag("Bytes of data past which writes are refused; 0: 2 GiB", 0),
  "auto-compaction-mode": stringFlag('"periodic" or "revision"', "periodic"),
  "auto-compaction-retention": stringFlag("Hours or duration (periodic), or revisions, to keep; 0: no automatic compaction", "0"),
  "corrupt-check-time": durationFlag("Time between comparisons of the members' data by hash; 0: never", 0),
  "experimental-corrupt-check-time": durationFlag("The same, as older versions call it", 0),
  "initial-corrupt-check": boolFlag("Compare this member's data with its peers' before serving"),
  "experimental-initial-corrupt-check": boolFlag("The same, as older versions call it"),
  "auth-token": stringFlag('"simple", or "jwt,sign-method=...,pub-key=FILE,priv-key=FILE,ttl=5m"', "simple"),
  "auth-token-ttl": intFlag("Seconds that an unused simple token lives", 300),
  "bcrypt-cost": intFlag("Base-2 logarithm of the rounds of password hashes, 4 to 31", 10),
  "warning-apply-duration": durationFlag("Warn of commands and reads that take longer to apply", 100),
  "warning-unary-request-duration": durationFlag("Warn of requests that take longer", 300),
  "archive-dir": stringFlag("Folder to archive committed entries in, for restores to a point in time; default: none"),
  "archive-bytes-max": intFlag("Bytes of archive past which its oldest segments are removed", 8 * 1024 * 1024 * 1024),
  "grpc-driver": stringFlag('What carries gRPC: "lean" (HTTP/2 of its own) or "grpc-js"', "lean"),
  "log-level": stringFlag('"debug" or "info"', "info"),
} as const;

export type StoreOptions = FlagValues<typeof storeFlags>;

export function validateStoreOptions(options: StoreOptions): string[] {
  const problems: string[] = [];
  const urlFlags = {
    "listen-client-urls": options.listenClientUrls,
    "advertise-client-urls": options.advertiseClientUrls,
    "listen-peer-urls": options.listenPeerUrls,
    "initial-advertise-peer-urls": options.initialAdvertisePeerUrls,
    "listen-metrics-urls": options.listenMetricsUrls,
  };
  for (const [flag, urls] of Object.entries(urlFlags)) {
    for (const url of urls)
      if (!/^https?:\/\/(\[[^\]]+\]|[^/:]+):\d+\/?$/.test(url))
        problems.push(`--${flag}: URL must be http(s)://host:port, got ${JSON.stringify(url)}`);
  }
  for (const pair of options.initialCluster)
    if (!/^[^=]+=https?:\/\/.+:\d+$/.test(pair)) problems.push(`--initial-cluster: must be name=URL, got ${JSON.stringify(pair)}`);
  if (options.initialCluster.length > 0 && !options.initialCluster.some((pair) => pair.startsWith(`${options.name}=`))) {
    problems.push(`couldn't find local name ${JSON.stringify(options.name)} in the initial cluster configuration`);
  }
  if (options.initialClusterState !== "new" && options.initialClusterState !== "existing")
    problems.push(`--initial-cluster-state must be "new" or "existing", got ${JSON.stringify(options.initialClusterState)}`);
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
  if (options.autoCompactionMode !== "periodic" && options.autoCompactionMode !== "revision")
    problems.push(`--auto-compaction-mode must be "periodic" or "revision"`);
  else if (Number.isNaN(parseRetention(options.autoCompactionMode, options.autoCompactionRetention)))
    problems.push(`--auto-compaction-retention: invalid value ${JSON.stringify(options.autoCompactionRetention)}`);
  if (options.corruptCheckTime < 0 || options.experimentalCorruptCheckTime < 0) problems.push("--corrupt-check-time must be >=0");
  const token = parseTokenOptions(options.authToken);
  if (token.kind === "invalid") problems.push(`--auth-token: ${token.problem}`);
  if (options.authTokenTtl <= 0) problems.push("--auth-token-ttl must be >0");
  if (options.bcryptCost < bcryptCostMin || options.bcryptCost > bcryptCostMax)
    problems.push(`--bcrypt-cost must be between ${bcryptCostMin} and ${bcryptCostMax}, got ${options.bcryptCost}`);
  if (options.warningApplyDuration <= 0) problems.push("--warning-apply-duration must be >0");
  if (options.warningUnaryRequestDuration <= 0) problems.push("--warning-unary-request-duration must be >0");
  if (options.archiveBytesMax <= 0) problems.push("--archive-bytes-max must be >0");
  const secure = (urls: readonly string[]): boolean => urls.some((url) => url.startsWith("https:"));
  if (secure(options.listenClientUrls) && (options.certFile === "" || options.keyFile === ""))
    problems.push("--cert-file and --key-file are required for https client URLs");
  if (secure(options.listenPeerUrls) && (options.peerCertFile === "" || options.peerKeyFile === ""))
    problems.push("--peer-cert-file and --peer-key-file are required for https peer URLs");
  return problems;
}
