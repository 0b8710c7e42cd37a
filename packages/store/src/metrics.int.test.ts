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
  "etcd's v2 store": [/^etcd_debugging_store_/, /^etcd_debugging_snap_/, /^etcd_snap_/],
  "etcd's gRPC proxy": [/^etcd_grpc_proxy_/],
  "bbolt's inside": [/^etcd_debugging_disk_backend_/, /^etcd_mvcc_db_open_read_transactions$/],
  "defragmentation does not stop a member": [/^etcd_disk_defrag_inflight$/, /^etcd_disk_backend_defrag_/],
  "not measured yet": [
    ...[/^etcd_network_client_grpc_/, /^grpc_server_msg_/, /^etcd_disk_wal_write_bytes_total$/, /^etcd_disk_backend_snapshot_/],
    ...[/^etcd_debugging_lease_(renewed_total|ttl_total)$/, /^etcd_debugging_server_lease_expired_total$/],
    ...[/^etcd_debugging_mvcc_(db|index)_compaction_/, /^etcd_debugging_mvcc_(pending_events_total|total_put_size_in_bytes)$/],
    ...[/^etcd(_debugging)?_mvcc_range_total$/, /^etcd_mvcc_hash_/, /^process_virtual_memory_max_bytes$/],
    ...[/^etcd_server_(heartbeat_send_failures|read_indexes_failed|slow_read_indexes|slow_apply)_total$/],
    ...[/^etcd_server_learner_promote_successes$/, /^etcd_server_snapshot_apply_in_progress_total$/],
  ],
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
