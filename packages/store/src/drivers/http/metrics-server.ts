// Metrics, health and version over plain HTTP, with etcd's names and forms.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { answerHealth, type HealthChecks } from "@lenj/component-base";
import { Gauge, type Registry } from "prom-client";
import type { Member } from "../../member.js";
import { storeVersion } from "../../services/context.js";

export interface MetricsServerOptions {
  readonly url: string;
  readonly member: Member;
  readonly health: HealthChecks;
  readonly metrics: Registry;
}

/** Listens; returns the function that stops. */
export async function serveMetrics({ url, member, health, metrics }: MetricsServerOptions): Promise<() => Promise<void>> {
  const { hostname, port } = new URL(url);
  const server = createServer((request, response) => {
    answer(request, response, member, health, metrics).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port), hostname, resolve);
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  member: Member,
  health: HealthChecks,
  metrics: Registry,
): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://store");
  const json = (code: number, body: unknown): void => {
    response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  if (pathname === "/version") json(200, { etcdserver: storeVersion, etcdcluster: "3.6.0" });
  else if (pathname === "/health") {
    const reason = member.replica.leaderID === 0n ? "RAFT NO LEADER" : member.replica.state.alarms.list(0).length > 0 ? "ALARM" : "";
    json(reason === "" ? 200 : 503, reason === "" ? { health: "true", reason } : { health: "false", reason });
  } else if (!(await answerHealth(request, response, health, metrics)))
    response.writeHead(404, { "content-type": "text/plain" }).end("404 page not found\n");
}

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
