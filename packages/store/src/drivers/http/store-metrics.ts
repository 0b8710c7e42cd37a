// The member's metrics, under etcd's names.
import { Gauge, type Registry } from "prom-client";
import type { Member } from "../../member.js";

/** Gauges that read the member when they are scraped. */
export function registerStoreMetrics(registry: Registry, member: Member): void {
  const gauges: Readonly<Record<string, readonly [string, () => number]>> = {
    etcd_server_has_leader: ["Whether or not a leader exists. 1 is existence, 0 is not.", () => Number(member.replica.leaderID !== 0n)],
    etcd_server_is_leader: ["Whether or not this member is a leader. 1 if is, 0 otherwise.", () => Number(member.replica.isLeader)],
    etcd_server_leader_changes_seen_total: ["The number of leader changes seen.", () => member.leaderChanges],
    etcd_server_proposals_applied_total: ["The total number of consensus proposals applied.", () => member.replica.appliedIndex],
    etcd_server_proposals_committed_total: [
      "The total number of consensus proposals committed.",
      () => member.replica.node.status().commit,
    ],
    etcd_server_raft_term: ["The current term.", () => member.replica.term],
    etcd_mvcc_db_total_size_in_bytes: ["Total size of the underlying database in bytes.", () => member.replica.state.space.bytesInUse],
    etcd_debugging_mvcc_current_revision: ["The current revision of store.", () => member.replica.state.space.currentRevision],
    etcd_debugging_mvcc_watcher_total: ["Total number of watchers.", () => member.replica.watches.size],
    etcd_debugging_mvcc_slow_watcher_total: ["Total number of unsynced slow watchers.", () => member.replica.watches.behind],
  };
  for (const [name, [help, read]] of Object.entries(gauges)) {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  }
}
