// The member's metrics, under etcd's names: existing dashboards and alerts read them as they are.
//
// Owns:  what is counted as it happens (calls, writes to disk). Everything else is read from the member when it is scraped.
// Source: etcd's metrics.go files, grpc-ecosystem/go-grpc-prometheus.
import { readdirSync, readFileSync } from "node:fs";
import type { RpcCall } from "@lenj/rpc-server";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { shortVersion } from "../../core/cluster-version.js";
import type { Member } from "../../member.js";
import { type StageHistogram, stageBoundsMs } from "../../replica/stage-histogram.js";
import { storeVersion } from "../../services/context.js";

/** Doubling from 1 ms, as etcd has them for disks. */
const diskBuckets = Array.from({ length: 14 }, (_unused, power) => 0.001 * 2 ** power);
const secondMs = 1_000;

/** Of gRPC codes, as Go's metrics have them. */
const codeNames = [
  ...["OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied"],
  ...["ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss"],
  "Unauthenticated",
];

/** What happens, as it happens. */
export class StoreInstruments {
  readonly #started: Counter;
  readonly #handled: Counter;
  readonly #requests: Counter;
  readonly #healthy: Counter;
  readonly #unhealthy: Counter;
  readonly #logWrites: Histogram;
  readonly #stateWrites: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    const method = ["grpc_type", "grpc_service", "grpc_method"];
    this.#started = new Counter({
      name: "grpc_server_started_total",
      help: "Total number of RPCs started on the server.",
      labelNames: method,
      registers,
    });
    this.#handled = new Counter({
      name: "grpc_server_handled_total",
      help: "Total number of RPCs completed on the server, regardless of success or failure.",
      labelNames: [...method, "grpc_code"],
      registers,
    });
    this.#requests = new Counter({
      name: "etcd_server_client_requests_total",
      help: "The total number of client requests per client version.",
      labelNames: ["type", "client_api_version"],
      registers,
    });
    this.#healthy = new Counter({ name: "etcd_server_health_success", help: "The total number of successful health checks", registers });
    this.#unhealthy = new Counter({ name: "etcd_server_health_failures", help: "The total number of failed health checks", registers });
    this.#logWrites = new Histogram({
      name: "etcd_disk_wal_fsync_duration_seconds",
      help: "The latency distributions of writes to the log, fsync included.",
      buckets: diskBuckets,
      registers,
    });
    this.#stateWrites = new Histogram({
      name: "etcd_disk_backend_commit_duration_seconds",
      help: "The latency distributions of writes of the state behind the log.",
      buckets: diskBuckets,
      registers,
    });
  }

  onCall({ path, metadata }: RpcCall): void {
    const labels = labelsOf(path);
    this.#started.inc(labels);
    // What clients say becomes a label only when it looks like a version: labels must stay few.
    const said = metadata.get("client-api-version") ?? "";
    const version = /^\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(said) ? said : "unknown";
    this.#requests.inc({ type: labels.grpc_type === "unary" ? "unary" : "stream", client_api_version: version });
  }

  onDone(path: string, code: number): void {
    this.#handled.inc({ ...labelsOf(path), grpc_code: codeNames[code] ?? String(code) });
  }

  onHealth(isHealthy: boolean): void {
    (isHealthy ? this.#healthy : this.#unhealthy).inc();
  }

  onLogWritten(tookMs: number): void {
    this.#logWrites.observe(tookMs / secondMs);
  }

  onStateWritten(tookMs: number): void {
    this.#stateWrites.observe(tookMs / secondMs);
  }
}

const streamTypes: Readonly<Record<string, string>> = {
  "/etcdserverpb.Watch/Watch": "bidi_stream",
  "/etcdserverpb.Lease/LeaseKeepAlive": "bidi_stream",
  "/etcdserverpb.Maintenance/Snapshot": "server_stream",
  "/etcdserverpb.KV/RangeStream": "server_stream",
  "/v3electionpb.Election/Observe": "server_stream",
  "/grpc.health.v1.Health/Watch": "server_stream",
};

const knownLabels = new Map<string, { grpc_type: string; grpc_service: string; grpc_method: string }>();

/** Paths are those of methods that exist, so that there are few. */
function labelsOf(path: string): { grpc_type: string; grpc_service: string; grpc_method: string } {
  const known = knownLabels.get(path);
  if (known !== undefined) return known;
  const [, service = "", method = ""] = path.split("/");
  const labels = { grpc_type: streamTypes[path] ?? "unary", grpc_service: service, grpc_method: method };
  knownLabels.set(path, labels);
  return labels;
}

type Reading = readonly [help: string, read: (member: Member) => number];

const readGauges: Readonly<Record<string, Reading>> = {
  etcd_server_has_leader: ["Whether or not a leader exists. 1 is existence, 0 is not.", ({ replica }) => Number(replica.leaderID !== 0n)],
  etcd_server_is_leader: ["Whether or not this member is a leader. 1 if is, 0 otherwise.", ({ replica }) => Number(replica.isLeader)],
  etcd_server_is_learner: [
    "Whether or not this member is a learner. 1 if is, 0 otherwise.",
    ({ replica }) => Number(replica.state.members.get(replica.config.memberID)?.isLearner ?? false),
  ],
  etcd_server_proposals_applied_total: ["The total number of consensus proposals applied.", ({ replica }) => replica.appliedIndex],
  etcd_server_proposals_committed_total: [
    "The total number of consensus proposals committed.",
    ({ replica }) => replica.node.status().commit,
  ],
  etcd_server_proposals_pending: ["The current number of pending proposals to commit.", ({ replica }) => replica.pendingCount],
  etcd_server_quota_backend_bytes: ["Current backend storage quota size in bytes.", ({ parts }) => parts.config.quotaBytes],
  lenj_store_quota_used_ratio: [
    "Share of the storage quota in use: a warning at 0.8 and 0.9, no more writes at 1.",
    ({ quota }) => quota.usedShare,
  ],
  etcd_server_raft_term: ["The current term.", ({ replica }) => replica.term],
  etcd_debugging_auth_revision: ["The current revision of auth store.", ({ replica }) => replica.state.auth.revision],
  etcd_debugging_mvcc_current_revision: ["The current revision of store.", ({ replica }) => replica.state.space.currentRevision],
  etcd_debugging_mvcc_compact_revision: [
    "The revision of the last compaction in store.",
    ({ replica }) => Math.max(0, replica.state.space.compactRevision),
  ],
  etcd_debugging_mvcc_keys_total: ["Total number of keys.", ({ replica }) => replica.state.space.index.size],
  etcd_debugging_mvcc_db_total_size_in_bytes: ["Total size of the underlying database in bytes.", sizeBytes],
  etcd_mvcc_db_total_size_in_bytes: ["Total size of the underlying database in bytes.", sizeBytes],
  etcd_mvcc_db_total_size_in_use_in_bytes: ["Total size of the underlying database logically in use in bytes.", sizeBytes],
  etcd_debugging_mvcc_watcher_total: ["Total number of watchers.", ({ replica }) => replica.watches.size],
  etcd_debugging_mvcc_slow_watcher_total: ["Total number of unsynced slow watchers.", ({ replica }) => replica.watches.behind],
  etcd_debugging_mvcc_watch_stream_total: ["Total number of watch streams.", ({ openStreams }) => openStreams],
  os_fd_used: ["The number of used file descriptors.", openFiles],
  process_open_fds: ["Number of open file descriptors.", openFiles],
  os_fd_limit: ["The file descriptor limit.", openFilesMax],
  process_max_fds: ["Maximum number of open file descriptors.", openFilesMax],
  process_virtual_memory_bytes: ["Virtual memory size in bytes.", virtualMemoryBytes],
};

const readCounters: Readonly<Record<string, Reading>> = {
  etcd_server_leader_changes_seen_total: ["The number of leader changes seen.", ({ leaderChanges }) => leaderChanges],
  etcd_server_proposals_failed_total: ["The total number of failed proposals seen.", ({ replica }) => replica.failedCount],
  etcd_mvcc_put_total: ["Total number of puts seen by this member.", ({ replica }) => replica.state.counts.puts],
  etcd_mvcc_delete_total: ["Total number of deletes seen by this member.", ({ replica }) => replica.state.counts.deletes],
  etcd_mvcc_txn_total: ["Total number of txns seen by this member.", ({ replica }) => replica.state.counts.txns],
  etcd_debugging_mvcc_put_total: ["Total number of puts seen by this member.", ({ replica }) => replica.state.counts.puts],
  etcd_debugging_mvcc_delete_total: ["Total number of deletes seen by this member.", ({ replica }) => replica.state.counts.deletes],
  etcd_debugging_mvcc_txn_total: ["Total number of txns seen by this member.", ({ replica }) => replica.state.counts.txns],
  etcd_debugging_mvcc_events_total: [
    "Total number of events sent by this member.",
    ({ replica }) => replica.state.counts.puts + replica.state.counts.deletes,
  ],
  etcd_debugging_lease_granted_total: ["The total number of granted leases.", ({ replica }) => replica.state.counts.leasesGranted],
  etcd_debugging_lease_revoked_total: ["The total number of revoked leases.", ({ replica }) => replica.state.counts.leasesRevoked],
};

/** What is read from the member when it is scraped. */
export function registerStoreMetrics(registry: Registry, member: Member): void {
  const registers = [registry];
  for (const [name, [help, read]] of Object.entries(readGauges)) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(member));
      },
    });
  }
  for (const [name, [help, read]] of Object.entries(readCounters)) {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read(member));
      },
    });
  }
  const facts: readonly (readonly [name: string, help: string, label: string, value: string])[] = [
    ["etcd_server_version", "Which version is running. 1 for 'server_version' label with current version.", "server_version", storeVersion],
    [
      ...(["etcd_server_id", "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID."] as const),
      ...(["server_id", member.identity.memberID.toString(16)] as const),
    ],
  ];
  for (const [name, help, label, value] of facts) new Gauge({ name, help, labelNames: [label], registers }).set({ [label]: value }, 1);
  registerStages(registry, "lenj_store_request_stage_duration_seconds", {
    help: "Where the time of requests that change something goes, by stage.",
    stages: member.times.writes,
  });
  registerStages(registry, "lenj_store_read_stage_duration_seconds", {
    help: "Where the time of reads goes, by stage.",
    stages: member.times.reads,
  });
  new Gauge({
    name: "etcd_cluster_version",
    help: "Which version is running. 1 for 'cluster_version' label with current cluster version.",
    labelNames: ["cluster_version"],
    registers,
    collect() {
      const { version } = member.replica.state.version;
      this.reset();
      if (version !== "") this.set({ cluster_version: shortVersion(version) }, 1);
    },
  });
}

/** Histograms that count for themselves, shown as the library's are. */
function registerStages(
  registry: Registry,
  name: string,
  { help, stages }: { readonly help: string; readonly stages: Readonly<Record<string, StageHistogram>> },
): void {
  const valuesOf = (stage: string, { counts, sumMs }: StageHistogram): object[] => {
    let count = 0;
    const buckets = [...counts].map((inBucket, at) => {
      count += inBucket;
      const boundMs = stageBoundsMs[at];
      return { metricName: `${name}_bucket`, labels: { le: boundMs === undefined ? "+Inf" : boundMs / secondMs, stage }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: { stage }, value: sumMs / secondMs },
      { metricName: `${name}_count`, labels: { stage }, value: count },
    ];
  };
  const get = (): object => ({
    ...{ name, help, type: "histogram", aggregator: "sum" },
    values: Object.entries(stages).flatMap(([stage, histogram]) => valuesOf(stage, histogram)),
  });
  registry.registerMetric({ name, help, get, reset: () => {} } as unknown as Gauge);
}

function sizeBytes({ replica }: Member): number {
  return replica.state.space.bytesInUse;
}

function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

function openFilesMax(): number {
  return Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 0);
}

function virtualMemoryBytes(): number {
  return Number(/^VmSize:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0) * 1_024;
}
