// What is counted as it happens: calls, writes to disk, health checks.
//
// Not:   what is read from the member when it is scraped (store-metrics.ts).
// Source: etcd's metrics.go files, grpc-ecosystem/go-grpc-prometheus.
import type { RpcCall } from "@lenj/rpc-server";
import { Counter, Histogram, type Registry } from "prom-client";
import { CountingHistogram } from "../../core/counting-histogram.js";
import { registerHistograms } from "./histogram-metrics.js";

/** Doubling from 1 ms, as etcd has them for disks. */
const diskBuckets = Array.from({ length: 14 }, (_unused, power) => 0.001 * 2 ** power);
const secondMs = 1_000;
/** Prometheus' default ones, which go-grpc-prometheus takes. */
const handlingBoundsMs = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

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
  /** By path. */
  readonly #handling = new Map<string, CountingHistogram>();
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
    registerHistograms(registry, {
      name: "grpc_server_handling_seconds",
      help: "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.",
      unit: "seconds",
      read: () => [...this.#handling].map(([path, histogram]) => [labelsOf(path), histogram]),
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

  onDone(path: string, code: number, tookMs: number): void {
    this.#handled.inc({ ...labelsOf(path), grpc_code: codeNames[code] ?? String(code) });
    let handling = this.#handling.get(path);
    if (handling === undefined) {
      handling = new CountingHistogram(handlingBoundsMs);
      this.#handling.set(path, handling);
    }
    handling.observe(tookMs);
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
export function labelsOf(path: string): { grpc_type: string; grpc_service: string; grpc_method: string } {
  const known = knownLabels.get(path);
  if (known !== undefined) return known;
  const [, service = "", method = ""] = path.split("/");
  const labels = { grpc_type: streamTypes[path] ?? "unary", grpc_service: service, grpc_method: method };
  knownLabels.set(path, labels);
  return labels;
}
