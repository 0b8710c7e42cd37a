import { parseStoreStatus, quantile } from "./store-status.js";

const metrics = `
# TYPE lenj_store_raft_role gauge
lenj_store_raft_role{role="leader"} 1

etcd_server_has_leader 1
etcd_server_raft_term 3
etcd_server_proposals_committed_total 120
etcd_server_proposals_applied_total 118
lenj_store_raft_peer_inflight_messages{To="a"} 2
lenj_store_raft_peer_inflight_messages{To="b"} 1
etcd_mvcc_db_total_size_in_bytes 4096
lenj_store_alarms{member="a",alarm="NOSPACE"} 1
lenj_store_alarms{member="b",alarm="NOSPACE"} 1
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 50
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.002"} 98
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.004"} 100
etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 100
etcd_disk_wal_fsync_duration_seconds_sum 0.2
`;

describe("parseStoreStatus()", () => {
  it("reads what a replica shows", () => {
    expect(parseStoreStatus(metrics)).toEqual({
      ...{ role: "leader", hasLeader: true, term: 3, commit: 120, applied: 118, inflight: 3 },
      ...{ dbSizeBytes: 4_096, fsyncP99Ms: 3, alarms: ["NOSPACE"] },
    });
  });

  it("says unknown of what is not there", () => {
    expect(parseStoreStatus("")).toMatchObject({ role: "unknown", hasLeader: false, fsyncP99Ms: null, alarms: [] });
  });
});

describe("quantile()", () => {
  it("stays below the last bound that is finite", () => {
    const buckets = [
      { labels: { le: "1" }, value: 1 },
      { labels: { le: "+Inf" }, value: 10 },
    ];
    expect(quantile(buckets, 0.99)).toBe(1);
  });
});
