// Flags of etcd 3.4 to 3.6 that change nothing here: taken and named in the log with the reason, or refused with it.
//
// E1. A flag is taken only where its absence cannot be noticed, or is noticed as nothing worse than a figure or a page that is not there.
//     What was asked for safety, or to find the cluster, is never passed over in silence.
import { type FlagSpec, listFlag, stringFlag } from "@lenj/component-base";
import { choiceFlag, countFlag, switchFlag, timeFlag } from "./flag-kinds.js";

interface Unserved {
  readonly flag: FlagSpec<unknown>;
  readonly reason: string;
  /** Undefined: any value is taken. Otherwise these alone are, since they ask for what is the case anyway. */
  readonly taken?: readonly string[];
}

const accept = (flag: FlagSpec<unknown>, reason: string): Unserved => ({ flag, reason });
const refuse = (flag: FlagSpec<unknown>, reason: string, ...taken: string[]): Unserved => ({ flag, reason, taken: ["", ...taken] });

const text = stringFlag("Taken, see the log");
const toggle = switchFlag("Taken, see the log");
const count = countFlag("Taken, see the log", 0);
const time = timeFlag("Taken, see the log", 0);
const refusedText = stringFlag("Refused");
const refusedSwitch = switchFlag("Refused");

const oneLog = "there are no snapshot or WAL files: the raft log is cut by --snapshot-count";
const grouped = "writes are grouped by what waits, not by time or number";
const noBolt = "data is kept in LevelDB";
const noProxy = "it concerns the v2 proxy, which etcd has removed";
const noV2 = "the v2 API is not served";
const noDiscovery = "members are found by --initial-cluster";
const noTracing = "spans are not exported: slow requests are traced in the log and in /metrics";
const paced = "compaction is paced by itself";
const comparedByTime = "data is compared with --corrupt-check-time alone";
const obsolete = "it has meant nothing since etcd 2";

export const unservedFlags: Readonly<Record<string, Unserved>> = {
  "max-snapshots": accept(count, oneLog),
  "max-wals": accept(count, oneLog),
  "wal-dir": refuse(
    refusedText,
    "the raft log is part of the data folder, which one identity vouches for: put --data-dir on the fast disk",
  ),
  "backend-batch-interval": accept(time, grouped),
  "backend-batch-limit": accept(count, grouped),
  "backend-bbolt-freelist-type": accept(choiceFlag("Taken, see the log", "map", ["array", "map"]), noBolt),
  "experimental-backend-bbolt-freelist-type": accept(text, noBolt),
  "memory-mlock": accept(toggle, "pages are not locked"),
  "experimental-memory-mlock": accept(toggle, "pages are not locked"),
  "bootstrap-defrag-threshold-megabytes": accept(count, "space is given back by itself"),
  "experimental-bootstrap-defrag-threshold-megabytes": accept(count, "space is given back by itself"),
  "experimental-stop-grpc-service-on-defrag": accept(toggle, "defragmentation stops nobody"),
  "snapshot-catchup-entries": accept(count, "5000 entries are kept for members that lag"),
  "experimental-snapshot-catchup-entries": accept(count, "5000 entries are kept for members that lag"),
  "compaction-batch-limit": accept(count, paced),
  "experimental-compaction-batch-limit": accept(count, paced),
  "compaction-sleep-interval": accept(time, paced),
  "experimental-compaction-sleep-interval": accept(time, paced),
  "experimental-txn-mode-write-with-shared-buffer": accept(toggle, noBolt),
  "experimental-enable-lease-checkpoint": accept(toggle, "remaining times of leases are always replicated"),
  "experimental-enable-lease-checkpoint-persist": accept(toggle, "remaining times of leases are always replicated"),
  "compact-hash-check-time": accept(time, comparedByTime),
  "experimental-compact-hash-check-enabled": accept(toggle, comparedByTime),
  "experimental-compact-hash-check-time": accept(time, comparedByTime),
  "downgrade-check-time": accept(time, "versions are looked at every few seconds"),
  "experimental-downgrade-check-time": accept(time, "versions are looked at every few seconds"),
  "experimental-wait-cluster-ready-timeout": accept(time, "clients are answered when there is a leader"),
  "initial-election-tick-advance": accept(toggle, "the first election waits as any other"),
  "pre-vote": accept(toggle, "pre-votes are always held"),
  "raft-read-timeout": accept(time, "a peer that is silent is found by pings"),
  "raft-write-timeout": accept(time, "a peer that is silent is found by pings"),
  "feature-gates": accept(text, "what gates of etcd switch has no counterpart here"),
  "set-member-localaddr": accept(toggle, "peers are dialled from the address that routing gives"),
  "experimental-set-member-localaddr": accept(toggle, "peers are dialled from the address that routing gives"),
  "peer-skip-client-san-verification": accept(toggle, "names in peers' client certificates are not compared with their addresses"),
  "experimental-peer-skip-client-san-verification": accept(
    toggle,
    "names in peers' client certificates are not compared with their addresses",
  ),
  "client-cert-file": accept(text, "the JSON gateway calls no gRPC port"),
  "client-key-file": accept(text, "the JSON gateway calls no gRPC port"),
  "unsafe-no-fsync": accept(toggle, "what is promised is always on disk"),
  "listen-client-http-urls": refuse(refusedText, "HTTP and gRPC are served at the same addresses"),
  "socket-reuse-address": accept(toggle, "it is set on every listening socket"),
  "socket-reuse-port": refuse(refusedSwitch, "the runtime cannot share a port", "false"),
  metrics: accept(choiceFlag("Taken, see the log", "basic", ["basic", "extensive"]), "all metrics are always there"),
  "enable-pprof": accept(toggle, "there are no profiles of Go here: start with NODE_OPTIONS=--cpu-prof, or use --inspect"),
  "enable-log-rotation": refuse(refusedSwitch, "rotate files from outside", "false"),
  "log-rotation-config-json": accept(text, "see --enable-log-rotation"),
  "log-package-levels": accept(text, "there is one level for everything"),
  "enable-distributed-tracing": accept(toggle, noTracing),
  "distributed-tracing-address": accept(text, noTracing),
  "distributed-tracing-service-name": accept(text, noTracing),
  "distributed-tracing-instance-id": accept(text, noTracing),
  "distributed-tracing-sampling-rate": accept(count, noTracing),
  "experimental-enable-distributed-tracing": accept(toggle, noTracing),
  "experimental-distributed-tracing-address": accept(text, noTracing),
  "experimental-distributed-tracing-service-name": accept(text, noTracing),
  "experimental-distributed-tracing-instance-id": accept(text, noTracing),
  "experimental-distributed-tracing-sampling-rate": accept(count, noTracing),
  discovery: refuse(refusedText, noDiscovery),
  "discovery-srv": refuse(refusedText, noDiscovery),
  "discovery-srv-name": refuse(refusedText, noDiscovery),
  "discovery-token": refuse(refusedText, noDiscovery),
  "discovery-endpoints": refuse(listFlag("Refused"), noDiscovery),
  "discovery-fallback": accept(choiceFlag("Taken, see the log", "exit", ["exit", "proxy"]), noDiscovery),
  "discovery-proxy": accept(text, noDiscovery),
  "discovery-dial-timeout": accept(time, noDiscovery),
  "discovery-request-timeout": accept(time, noDiscovery),
  "discovery-keepalive-time": accept(time, noDiscovery),
  "discovery-keepalive-timeout": accept(time, noDiscovery),
  "discovery-insecure-transport": accept(toggle, noDiscovery),
  "discovery-insecure-skip-tls-verify": accept(toggle, noDiscovery),
  "discovery-cert": accept(text, noDiscovery),
  "discovery-key": accept(text, noDiscovery),
  "discovery-cacert": accept(text, noDiscovery),
  "discovery-user": accept(text, noDiscovery),
  "discovery-password": accept(text, noDiscovery),
  "enable-v2": refuse(refusedSwitch, noV2, "false"),
  "experimental-enable-v2v3": refuse(refusedText, noV2),
  "v2-deprecation": accept(text, noV2),
  proxy: refuse(choiceFlag("Refused", "off", ["off", "readonly", "on"]), noProxy, "off"),
  "proxy-failure-wait": accept(count, noProxy),
  "proxy-refresh-interval": accept(count, noProxy),
  "proxy-dial-timeout": accept(count, noProxy),
  "proxy-write-timeout": accept(count, noProxy),
  "proxy-read-timeout": accept(count, noProxy),
  ...Object.fromEntries(
    [
      ...["cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force", "max-result-buffer"],
      ...["max-retry-attempts", "peer-heartbeat-interval", "peer-election-timeout", "retry-interval", "snapshot", "vv"],
    ].map((name) => [name, accept(text, obsolete)]),
  ),
};

export const unservedFlagSpecs: Readonly<Record<string, FlagSpec<unknown>>> = Object.fromEntries(
  Object.entries(unservedFlags).map(([name, { flag }]) => [name, flag]),
);

export interface Judged {
  /** "--flag: reason" of those that were given a value that is refused. */
  readonly problems: readonly string[];
  /** Of those that are taken and change nothing, by name. */
  readonly reasons: Readonly<Record<string, string>>;
}

/** `args` are `--name=value`. */
export function judgeUnserved(args: readonly string[]): Judged {
  const problems: string[] = [];
  const reasons: Record<string, string> = {};
  for (const arg of args) {
    const [, name = "", value = ""] = /^--([^=]+)=([\s\S]*)$/.exec(arg) ?? [];
    const unserved = Object.hasOwn(unservedFlags, name) ? unservedFlags[name] : undefined;
    if (unserved === undefined) continue;
    const { flag, reason, taken } = unserved;
    const isTaken = taken === undefined || taken.includes(flag.isSwitch ? String(flag.parse(value, undefined as never)) : value);
    if (isTaken) reasons[name] = reason;
    else problems.push(`--${name}=${value} is not supported: ${reason}`);
  }
  return { problems, reasons };
}
