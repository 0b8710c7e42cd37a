// What passes between this member, its clients and the other members, under etcd's names.
// Source: etcd server/etcdserver/api/rafthttp/metrics.go, api/v3rpc/metrics.go.
import { Counter, Gauge, type Registry } from "prom-client";
import type { Member } from "../../member.js";
import type { PeerCount, SnapshotCounts } from "../peer/peer-counts.js";
import { registerHistograms } from "./histogram-metrics.js";
import { labelsOf } from "./store-instruments.js";

type PeerReading = readonly [help: string, label: "To" | "From", read: (count: PeerCount) => number];

const peerCounters: Readonly<Record<string, PeerReading>> = {
  etcd_network_peer_sent_bytes_total: ["The total number of bytes sent to peers.", "To", ({ sentBytes }) => sentBytes],
  etcd_network_peer_received_bytes_total: ["The total number of bytes received from peers.", "From", ({ receivedBytes }) => receivedBytes],
  etcd_network_peer_sent_failures_total: ["The total number of send failures from peers.", "To", ({ sendFailures }) => sendFailures],
  etcd_network_snapshot_send_success: ["Total number of successful snapshot sends", "To", (count) => count.snapshotsSent.succeeded],
  etcd_network_snapshot_send_failures: ["Total number of snapshot send failures", "To", (count) => count.snapshotsSent.failed],
  etcd_network_snapshot_receive_success: [
    "Total number of successful snapshot receives",
    "From",
    (count) => count.snapshotsReceived.succeeded,
  ],
  etcd_network_snapshot_receive_failures: ["Total number of snapshot receive failures", "From", (count) => count.snapshotsReceived.failed],
  lenj_store_snapshot_send_bytes_total: ["Bytes of rows sent in snapshots.", "To", (count) => count.snapshotsSent.bytes],
  lenj_store_snapshot_receive_bytes_total: ["Bytes of rows received in snapshots.", "From", (count) => count.snapshotsReceived.bytes],
  lenj_store_snapshot_send_resumed_total: [
    "Snapshot sends that went on where one broke off.",
    "To",
    (count) => count.snapshotsSent.resumed,
  ],
  lenj_store_snapshot_receive_resumed_total: [
    "Snapshot receives that went on where one broke off.",
    "From",
    (count) => count.snapshotsReceived.resumed,
  ],
};

const peerGauges: Readonly<Record<string, PeerReading>> = {
  etcd_network_snapshot_send_inflights_total: ["Total number of inflight snapshot sends", "To", (count) => count.snapshotsSent.inflight],
  etcd_network_snapshot_receive_inflights_total: [
    "Total number of inflight snapshot receives",
    "From",
    (count) => count.snapshotsReceived.inflight,
  ],
};

export function registerNetworkMetrics(registry: Registry, member: Member): void {
  registerPeerMetrics(registry, member);
  registerMessageMetrics(registry, member);
  registerProgress(registry, member);
}

function registerPeerMetrics(registry: Registry, { measures: { peerCounts }, identity }: Member): void {
  const registers = [registry];
  for (const [name, [help, label, read]] of Object.entries(peerCounters)) {
    new Counter({
      ...{ name, help, labelNames: [label], registers },
      collect() {
        this.reset();
        for (const [id, count] of peerCounts.entries()) this.inc({ [label]: id.toString(16) }, read(count));
      },
    });
  }
  for (const [name, [help, label, read]] of Object.entries(peerGauges)) {
    new Gauge({
      ...{ name, help, labelNames: [label], registers },
      collect() {
        for (const [id, count] of peerCounts.entries()) this.set({ [label]: id.toString(16) }, read(count));
      },
    });
  }
  const ends = (id: bigint): { Local: string; Remote: string } => ({ Local: identity.memberID.toString(16), Remote: id.toString(16) });
  new Gauge({
    ...{
      name: "etcd_network_active_peers",
      help: "The current number of active peer connections.",
      labelNames: ["Local", "Remote"],
      registers,
    },
    collect() {
      for (const [id, { isConnected }] of peerCounts.entries()) this.set(ends(id), Number(isConnected));
    },
  });
  new Counter({
    ...{ name: "etcd_network_disconnected_peers_total", help: "The total number of disconnected peers.", registers },
    labelNames: ["Local", "Remote"],
    collect() {
      this.reset();
      for (const [id, { disconnects }] of peerCounts.entries()) this.inc(ends(id), disconnects);
    },
  });
  registerHistograms(registry, {
    name: "etcd_network_peer_round_trip_time_seconds",
    help: "Round-Trip-Time histogram between peers: from a leader's heartbeat to its answer",
    unit: "seconds",
    read: () => [...peerCounts.entries()].map(([id, { roundTrips }]) => [{ To: id.toString(16) }, roundTrips]),
  });
  const snapshots = (name: string, help: string, label: "To" | "From", read: (count: PeerCount) => SnapshotCounts): void =>
    registerHistograms(registry, {
      ...{ name, help, unit: "seconds" },
      read: () => [...peerCounts.entries()].map(([id, count]) => [{ [label]: id.toString(16) }, read(count).took]),
    });
  const sends = "Total latency distributions of v3 snapshot sends";
  snapshots("etcd_network_snapshot_send_total_duration_seconds", sends, "To", ({ snapshotsSent }) => snapshotsSent);
  const receives = "Total latency distributions of v3 snapshot receives";
  snapshots("etcd_network_snapshot_receive_total_duration_seconds", receives, "From", ({ snapshotsReceived }) => snapshotsReceived);
}

function registerMessageMetrics(registry: Registry, { messages }: Member): void {
  const registers = [registry];
  const labelNames = ["grpc_type", "grpc_service", "grpc_method"];
  const byMethod = (name: string, help: string, field: "received" | "sent"): void =>
    void new Counter({
      ...{ name, help, labelNames, registers },
      collect() {
        this.reset();
        for (const counts of messages.methods) this.inc(labelsOf(counts.path), counts[field]);
      },
    });
  byMethod("grpc_server_msg_received_total", "Total number of RPC stream messages received on the server.", "received");
  byMethod("grpc_server_msg_sent_total", "Total number of gRPC stream messages sent by the server.", "sent");
  const inAll = (name: string, help: string, field: "receivedBytes" | "sentBytes"): void =>
    void new Counter({
      ...{ name, help, registers },
      collect() {
        this.reset();
        this.inc(messages.methods.reduce((sum, counts) => sum + counts[field], 0));
      },
    });
  inAll("etcd_network_client_grpc_received_bytes_total", "The total number of bytes received from grpc clients.", "receivedBytes");
  inAll("etcd_network_client_grpc_sent_bytes_total", "The total number of bytes sent to grpc clients.", "sentBytes");
}

/** This member's role, and how far the others are as a leader sees it: nothing on other members. */
function registerProgress(registry: Registry, member: Member): void {
  const registers = [registry];
  new Gauge({
    ...{ name: "lenj_store_raft_role", help: "Role in Raft: 1 for the one that this member has.", labelNames: ["role"], registers },
    collect() {
      this.reset();
      this.set({ role: member.replica.node.status().role }, 1);
    },
  });
  new Gauge({
    name: "lenj_store_raft_uncommitted_bytes",
    help: "Bytes of proposals in a leader's log that are not committed yet.",
    registers,
    collect() {
      this.set(member.replica.node.status().uncommittedBytes);
    },
  });
  const gauge = (name: string, help: string, read: (id: bigint) => number | undefined): void =>
    void new Gauge({
      ...{ name, help, labelNames: ["To"], registers },
      collect() {
        this.reset();
        for (const id of member.replica.node.status().progress.keys()) {
          const value = id === member.identity.memberID ? undefined : read(id);
          if (value !== undefined) this.set({ To: id.toString(16) }, value);
        }
      },
    });
  const progressOf = (id: bigint) => member.replica.node.status().progress.get(id);
  gauge("lenj_store_raft_peer_inflight_messages", "Appends sent to a peer and not answered yet.", (id) => progressOf(id)?.inflightMessages);
  gauge("lenj_store_raft_peer_match_index", "Last log entry known to be on a peer.", (id) => progressOf(id)?.match);
}
