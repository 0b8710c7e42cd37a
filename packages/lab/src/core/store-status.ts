// How a store replica is, from the metrics that it shows.

export interface StoreStatus {
  /** "leader", "follower", "preCandidate" or "candidate". */
  readonly role: string;
  /** Whether it knows a leader. */
  readonly hasLeader: boolean;
  readonly term: number;
  /** Last log entry known to be committed, and last one applied. */
  readonly commit: number;
  readonly applied: number;
  /** Of a leader: appends that followers have not answered yet. */
  readonly inflight: number;
  readonly dbSizeBytes: number;
  /** Estimated from its histogram, since the replica started; null before the first write. */
  readonly fsyncP99Ms: number | null;
  /** Raised in the cluster: "NOSPACE", "CORRUPT". */
  readonly alarms: readonly string[];
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function parseStoreStatus(metrics: string): StoreStatus {
  const samples = (name: string): Sample[] => samplesOf(metrics, name);
  const total = (name: string): number => samples(name).reduce((sum, { value }) => sum + value, 0);
  const named = (name: string, label: string): string[] => [
    ...new Set(samples(name).flatMap(({ labels, value }) => (value > 0 ? [labels[label] ?? ""] : []))),
  ];
  const fsync = quantile(samples("etcd_disk_wal_fsync_duration_seconds_bucket"), 0.99);
  return {
    role: named("lenj_store_raft_role", "role")[0] ?? "unknown",
    hasLeader: total("etcd_server_has_leader") === 1,
    term: total("etcd_server_raft_term"),
    commit: total("etcd_server_proposals_committed_total"),
    applied: total("etcd_server_proposals_applied_total"),
    inflight: total("lenj_store_raft_peer_inflight_messages"),
    dbSizeBytes: total("etcd_mvcc_db_total_size_in_bytes"),
    fsyncP99Ms: fsync === undefined ? null : Math.round(fsync * 10_000) / 10,
    alarms: named("lenj_store_alarms", "alarm").sort(),
  };
}

function samplesOf(metrics: string, name: string): Sample[] {
  return [...metrics.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, "gm"))].map(([, labels = "", value = ""]) => ({
    labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = "", text = ""]) => [label, text])),
    value: Number(value),
  }));
}

/** As Prometheus estimates it: within its bucket a value is anywhere alike. Undefined for an empty histogram. */
export function quantile(buckets: readonly Sample[], share: number): number | undefined {
  const rising = buckets
    .map(({ labels, value }) => ({ bound: labels["le"] === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels["le"]), count: value }))
    .sort((a, b) => a.bound - b.bound);
  const wanted = share * (rising.at(-1)?.count ?? 0);
  if (wanted === 0) return undefined;
  const at = rising.findIndex(({ count }) => count >= wanted);
  const below = rising[at - 1] ?? { bound: 0, count: 0 };
  const found = rising[at];
  if (found === undefined || found.bound === Number.POSITIVE_INFINITY) return below.bound;
  return below.bound + ((found.bound - below.bound) * (wanted - below.count)) / (found.count - below.count);
}
