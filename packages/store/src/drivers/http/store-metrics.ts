// The member's metrics, under etcd's names: existing dashboards and alerts read them as they are.
//
// Not:   what is counted as it happens (store-instruments.ts), what passes over the network (network-metrics.ts).
// Source: etcd's metrics.go files, grpc-ecosystem/go-grpc-prometheus.
import { readdirSync, readFileSync } from "node:fs";
import { etcdserverpb } from "@lenj/proto/etcd";
import { Counter, Gauge, type Registry } from "prom-client";
import { shortVersion } from "../../core/cluster-version.js";
import type { CountingHistogram } from "../../core/counting-histogram.js";
import type { Member } from "../../member.js";
import { storeVersion } from "../../services/context.js";
import { registerHistograms } from "./histogram-metrics.js";
import { registerNetworkMetrics } from "./network-metrics.js";

const { AlarmType } = etcdserverpb;

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
  lenj_store_disk_stalled: [
    "1 while a write of the raft log takes too long and requests are refused, 0 otherwise.",
    ({ replica }) => Number(replica.stall.isStalled),
  ],
  etcd_server_snapshot_apply_in_progress_total: [
    "1 if the server is applying the incoming snapshot. 0 if none.",
    ({ isReplacingState }) => Number(isReplacingState),
  ],
  etcd_disk_defrag_inflight: [
    "Whether or not defrag is active on the member. 1 means active, 0 means not.",
    ({ work }) => Number(work.inflight.defragment > 0),
  ],
  etcd_disk_wal_write_bytes_total: ["Total number of bytes written in WAL.", ({ log }) => log.writtenBytes],
  etcd_debugging_mvcc_total_put_size_in_bytes: [
    "The total size of put kv pairs seen by this member.",
    ({ replica }) => replica.state.counts.putBytes,
  ],
  lenj_store_quarantined: [
    "1 while this member's data is known to be damaged and its replacement is not finished, 0 otherwise.",
    ({ isQuarantined }) => Number(isQuarantined),
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
  process_virtual_memory_max_bytes: ["Maximum amount of virtual memory available in bytes.", virtualMemoryMaxBytes],
};

const readCounters: Readonly<Record<string, Reading>> = {
  etcd_server_leader_changes_seen_total: ["The number of leader changes seen.", ({ leaderChanges }) => leaderChanges],
  etcd_server_proposals_failed_total: ["The total number of failed proposals seen.", ({ replica }) => replica.failedCount],
  etcd_server_heartbeat_send_failures_total: [
    "The total number of leader heartbeat send failures (likely overloaded from slow disk).",
    ({ replica }) => replica.ticker.lateHeartbeats,
  ],
  lenj_store_disk_stalls_total: [
    "The total number of times that a write of the raft log did not end in time, so that a leader handed over.",
    ({ replica }) => replica.stall.count,
  ],
  etcd_server_slow_apply_total: [
    "The total number of slow apply requests (likely overloaded from slow disk).",
    ({ measures }) => measures.times.slowApplies,
  ],
  etcd_server_read_indexes_failed_total: [
    "The total number of failed read indexes seen.",
    ({ replica }) => replica.readTroubles.overdueCount,
  ],
  etcd_server_slow_read_indexes_total: [
    "The total number of pending read indexes not in sync with leader's or timed out read index requests.",
    ({ replica }) => replica.readTroubles.retriedCount,
  ],
  etcd_server_learner_promote_successes: [
    "The total number of successful learner promotions while this member is leader.",
    ({ membership }) => membership.promotedCount,
  ],
  etcd_mvcc_range_total: ["Total number of ranges seen by this member.", ({ replica }) => replica.state.space.counts.ranges],
  etcd_debugging_mvcc_range_total: ["Total number of ranges seen by this member.", ({ replica }) => replica.state.space.counts.ranges],
  etcd_debugging_mvcc_db_compaction_keys_total: [
    "Total number of db keys compacted.",
    ({ replica }) => replica.state.space.counts.compactedRows,
  ],
  etcd_debugging_lease_renewed_total: ["The number of renewed leases seen by the leader.", ({ leases }) => leases.counts.renewed],
  etcd_debugging_server_lease_expired_total: ["The total number of expired leases.", ({ leases }) => leases.counts.expired],
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
  new Gauge({
    name: "lenj_store_alarms",
    help: "Alarms that are raised in the cluster.",
    labelNames: ["member", "alarm"],
    registers,
    collect() {
      this.reset();
      for (const { memberID, alarm } of member.replica.state.alarms.list(AlarmType.NONE))
        this.set({ member: memberID.toString(16), alarm: AlarmType[alarm] }, 1);
    },
  });
  registerMemberHistograms(registry, member);
  registerNetworkMetrics(registry, member);
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

function registerMemberHistograms(registry: Registry, member: Member): void {
  const { times, peerCounts } = member.measures;
  const { took } = member.work;
  const single = (name: string, help: string, unit: "seconds" | "milliseconds" | "own", read: () => CountingHistogram): void =>
    registerHistograms(registry, { name, help, unit, read: () => [[{}, read()]] });
  const byStage = (name: string, help: string, stages: Readonly<Record<string, CountingHistogram>>): void =>
    registerHistograms(registry, {
      ...{ name, help, unit: "seconds" },
      read: () => Object.entries(stages).map(([stage, histogram]) => [{ stage }, histogram]),
    });
  const writes = "Where the time of requests that change something goes, by stage.";
  byStage("lenj_store_request_stage_duration_seconds", writes, times.writes);
  byStage("lenj_store_read_stage_duration_seconds", "Where the time of reads goes, by stage.", times.reads);
  const hashes = "The latency distribution of storage hash";
  single("etcd_mvcc_hash_duration_seconds", `${hashes} operation.`, "seconds", () => took.hash);
  single("etcd_mvcc_hash_rev_duration_seconds", `${hashes} by revision operation.`, "seconds", () => took.hashRevision);
  const backend = "The latency distribution of backend";
  single("etcd_disk_backend_snapshot_duration_seconds", `${backend} snapshots.`, "seconds", () => took.snapshot);
  single("etcd_disk_backend_defrag_duration_seconds", `${backend} defragmentation.`, "seconds", () => took.defragment);
  const compaction = "Bucketed histogram of db compaction";
  const compactionName = "etcd_debugging_mvcc_db_compaction";
  single(
    `${compactionName}_pause_duration_milliseconds`,
    `${compaction} pause duration.`,
    "milliseconds",
    () => member.replica.dropper.pauses,
  );
  single(
    `${compactionName}_total_duration_milliseconds`,
    `${compaction} total duration.`,
    "milliseconds",
    () => member.replica.dropper.totals,
  );
  single("etcd_debugging_lease_ttl_total", "Bucketed histogram of lease TTLs.", "own", () => member.replica.state.leaseTTLs);
  const saves = "The latency distributions of taking a whole state from the leader";
  single("etcd_snap_db_save_total_duration_seconds", `${saves}.`, "seconds", () => peerCounts.stateSaved);
  single("etcd_snap_db_fsync_duration_seconds", `${saves}: making it durable.`, "seconds", () => peerCounts.stateSynced);
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

/** Go's client shows "unlimited" as the largest number there is. */
function virtualMemoryMaxBytes(): number {
  const limit = /^Max address space\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return limit === undefined ? 2 ** 64 : Number(limit);
}
