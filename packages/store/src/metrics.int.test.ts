// The names of our metrics beside those that Debian's etcd really shows.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, freePort, StoreCluster } from "./testing/index.js";

jest.setTimeout(120_000);

/** What etcd 3.4 has and we have not, by the reason. */
const missing: Readonly<Record<string, readonly RegExp[]>> = {
  "Go's runtime and its libraries": [/^go_/, /^promhttp_/, /^etcd_server_go_version$/],
  "etcd's v2 store": [/^etcd_debugging_store_/, /^etcd_debugging_snap_/, /^etcd_snap_fsync_/],
  "etcd's gRPC proxy": [/^etcd_grpc_proxy_/],
  "bbolt's inside": [/^etcd_debugging_disk_backend_/, /^etcd_mvcc_db_open_read_transactions$/],
  "index and rows are compacted together": [/^etcd_debugging_mvcc_index_compaction_/],
  "a watch that is behind holds no events": [/^etcd_debugging_mvcc_pending_events_total$/],
};

async function namesAt(url: string): Promise<Map<string, string>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", type = ""]) => [name, type]));
}

describe("metrics", () => {
  let cluster: StoreCluster;
  let etcd: ChildProcess;
  let etcdURL: string;
  let folder: string;

  beforeAll(async () => {
    cluster = await StoreCluster.create({ members: 1 });
    cluster.startAll();
    folder = mkdtempSync(join(tmpdir(), "lenj-etcd-"));
    etcdURL = `http://127.0.0.1:${await freePort()}`;
    const peerURL = `http://127.0.0.1:${await freePort()}`;
    etcd = spawn("etcd", [
      ...["--data-dir", folder, "--listen-client-urls", etcdURL, "--advertise-client-urls", etcdURL, "--listen-peer-urls", peerURL],
      ...["--initial-advertise-peer-urls", peerURL, "--initial-cluster", `default=${peerURL}`],
    ]);
    for (const url of [...cluster.endpoints, etcdURL])
      await eventually(async () => ((await fetch(`${url}/health`)).status === 200 ? true : undefined));
  });

  afterAll(async () => {
    const exited = once(etcd, "exit");
    etcd.kill("SIGKILL");
    await exited;
    rmSync(folder, { recursive: true, force: true });
    await cluster.close();
  });

  it("have etcd's names and types, but for those listed here with the reason", async () => {
    const theirs = await namesAt(etcdURL);
    const ours = await namesAt(cluster.endpoints[0] ?? "");
    const excused = Object.values(missing).flat();
    const isExcused = (name: string): boolean => excused.some((pattern) => pattern.test(name));
    expect([...theirs.keys()].filter((name) => !ours.has(name) && !isExcused(name))).toEqual([]);
    // A list that excuses what is there would hide when it goes.
    expect([...ours.keys()].filter((name) => theirs.has(name) && isExcused(name))).toEqual([]);
    const otherType = [...ours].filter(([name, type]) => theirs.has(name) && theirs.get(name) !== type).map(([name]) => name);
    // prom-client has process_cpu_seconds_total as we read it; a total by any type adds up the same.
    expect(otherType.filter((name) => name !== "process_cpu_seconds_total")).toEqual([]);
  });

  it("count what happens", async () => {
    const url = cluster.endpoints[0] ?? "";
    expect(cluster.etcdctl(["put", "k", "v"]).code).toBe(0);
    expect(cluster.etcdctl(["del", "k"]).code).toBe(0);
    // The members agree on the cluster's version a moment after they have a leader.
    const text = await eventually(async () => {
      const shown = await (await fetch(`${url}/metrics`)).text();
      return shown.includes("\netcd_cluster_version{") ? shown : undefined;
    });
    for (const line of [
      'grpc_server_handled_total{grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_code="OK"} 1',
      'grpc_server_started_total{grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="DeleteRange"} 1',
      "etcd_mvcc_put_total 1",
      "etcd_mvcc_delete_total 1",
      "etcd_debugging_mvcc_current_revision 3",
      'etcd_cluster_version{cluster_version="3.6"} 1',
      "etcd_server_is_leader 1",
    ])
      expect(text).toContain(`\n${line}\n`);
    expect(Number(/\netcd_disk_wal_fsync_duration_seconds_count (\d+)/.exec(text)?.[1])).toBeGreaterThan(0);
  });
});

/** What etcd's own alerts and dashboard read (its contrib/mixin), but for what is Go's or the v2 store's. */
const watched = [
  ...[
    "etcd_server_has_leader",
    "etcd_server_leader_changes_seen_total",
    "etcd_server_quota_backend_bytes",
    "process_resident_memory_bytes",
  ],
  ...["etcd_server_proposals_failed_total", "etcd_server_proposals_pending", "etcd_server_proposals_committed_total"],
  ...["etcd_server_proposals_applied_total", "etcd_server_slow_apply_total", "etcd_server_slow_read_indexes_total"],
  ...["etcd_mvcc_db_total_size_in_bytes", "etcd_mvcc_db_total_size_in_use_in_bytes", "etcd_debugging_mvcc_db_total_size_in_bytes"],
  ...["etcd_disk_wal_fsync_duration_seconds_bucket", "etcd_disk_backend_commit_duration_seconds_bucket"],
  ...["etcd_network_client_grpc_received_bytes_total", "etcd_network_client_grpc_sent_bytes_total"],
  ...["etcd_network_peer_sent_bytes_total", "etcd_network_peer_received_bytes_total", "etcd_network_peer_sent_failures_total"],
  ...["etcd_network_peer_round_trip_time_seconds_bucket", "grpc_server_handled_total", "grpc_server_started_total"],
  "grpc_server_handling_seconds_bucket",
];

describe("metrics of a cluster", () => {
  let cluster: StoreCluster;

  beforeAll(async () => {
    // Long enough that no leader changes, however busy the machine is.
    cluster = await StoreCluster.create({ members: 3, flags: ["--election-timeout", "4000"] });
    cluster.startAll();
    for (const url of cluster.endpoints) await eventually(async () => ((await fetch(`${url}/health`)).status === 200 ? true : undefined));
    for (const url of cluster.endpoints)
      await eventually(() => Promise.resolve(cluster.etcdctl(["put", "k", "v"], { endpoints: [url] }).code === 0 ? true : undefined));
  });

  afterAll(() => cluster.close());

  const valueOf = (text: string, pattern: RegExp): number =>
    [...text.matchAll(new RegExp(`^${pattern.source} (\\S+)$`, "gm"))].reduce((sum, match) => sum + Number(match.at(-1)), 0);
  const read = async (url: string): Promise<string> => (await fetch(`${url}/metrics`)).text();

  /** The leader is the one that measures its followers. */
  async function atLeader(check: (text: string) => boolean): Promise<string> {
    return eventually(async () => {
      const texts = await Promise.all(cluster.endpoints.map(read));
      return texts.find((text) => text.includes("\netcd_server_is_leader 1\n") && check(text));
    });
  }

  it("have what etcd's alerts and dashboard read", async () => {
    const text = await atLeader((shown) => shown.includes("etcd_network_peer_round_trip_time_seconds_bucket"));
    expect(watched.filter((name) => !new RegExp(`^${name}[ {]`, "m").test(text))).toEqual([]);
  });

  it("measure what passes between members and to clients", async () => {
    const text = await atLeader((shown) => valueOf(shown, /etcd_network_peer_round_trip_time_seconds_count\{To="[0-9a-f]+"\}/) >= 4);
    expect(valueOf(text, /etcd_network_peer_sent_bytes_total\{To="[0-9a-f]+"\}/)).toBeGreaterThan(100);
    expect(valueOf(text, /etcd_network_peer_received_bytes_total\{From="[0-9a-f]+"\}/)).toBeGreaterThan(100);
    expect(valueOf(text, /etcd_network_active_peers\{Local="[0-9a-f]+",Remote="[0-9a-f]+"\}/)).toBe(2);
    expect(text).toContain('\nlenj_store_raft_role{role="leader"} 1\n');
    expect([...text.matchAll(/^lenj_store_raft_peer_match_index\{To="[0-9a-f]+"\} [1-9]/gm)]).toHaveLength(2);
    expect([...text.matchAll(/^lenj_store_raft_peer_inflight_messages\{To="[0-9a-f]+"\} \d/gm)]).toHaveLength(2);
  });

  it("count leases, ranges, hashes, compactions and defragmentations", async () => {
    const endpoints = cluster.endpoints.slice(0, 1);
    const lease = /lease (\w+) granted/.exec(cluster.etcdctl(["lease", "grant", "60"]).stdout)?.[1] ?? "";
    expect(cluster.etcdctl(["lease", "keep-alive", "--once", lease]).code).toBe(0);
    expect(cluster.etcdctl(["lease", "grant", "1"]).code).toBe(0);
    for (const value of ["1", "2", "3"]) expect(cluster.etcdctl(["put", "c", value]).code).toBe(0);
    expect(cluster.etcdctl(["get", "c"], { endpoints }).stdout).toContain("3");
    expect(cluster.etcdctl(["endpoint", "hashkv"]).code).toBe(0);
    expect(cluster.etcdctl(["compact", "--physical", "5"], { endpoints }).code).toBe(0);
    expect(cluster.etcdctl(["defrag"], { endpoints }).code).toBe(0);
    const led = await atLeader((shown) => shown.includes("\netcd_debugging_server_lease_expired_total 1\n"));
    expect(led).toContain("\netcd_debugging_lease_renewed_total 1\n");
    const text = await read(endpoints[0] ?? "");
    expect(text).toContain('\netcd_debugging_lease_ttl_total_bucket{le="64"} 2\n');
    expect(text).toContain("\netcd_mvcc_hash_rev_duration_seconds_count 1\n");
    expect(text).toContain("\netcd_disk_backend_defrag_duration_seconds_count 1\n");
    expect(text).toContain("\netcd_debugging_mvcc_db_compaction_total_duration_milliseconds_count 1\n");
    expect(valueOf(text, /etcd_debugging_mvcc_db_compaction_keys_total/)).toBeGreaterThan(0);
    expect(valueOf(text, /etcd_mvcc_range_total/)).toBeGreaterThan(0);
    expect(valueOf(text, /etcd_debugging_mvcc_total_put_size_in_bytes/)).toBeGreaterThan(0);
    expect(valueOf(text, /etcd_disk_wal_write_bytes_total/)).toBeGreaterThan(0);
    expect(text).toContain('\ngrpc_server_msg_received_total{grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="Compact"} 1\n');
  });
});
