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

interface MethodCalls {
  started: number;
  /** By gRPC code. */
  readonly handled: Map<number, number>;
  readonly handling: CountingHistogram;
  /** Calls by client version, of all methods of this one's kind. */
  readonly versions: Map<string, number>;
}

/** What happens, as it happens. */
export class StoreInstruments {
  /** By path: what prom-client would look up at every call. */
  readonly #methods = new Map<string, MethodCalls>();
  /** Of kind and client version. */
  readonly #requests = new Map<string, Map<string, number>>();
  readonly #healthy: Counter;
  readonly #unhealthy: Counter;
  readonly #logWrites: Histogram;
  readonly #stateWrites: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    const method = ["grpc_type", "grpc_service", "grpc_method"];
    const { methods, requests } = { methods: this.#methods, requests: this.#requests };
    new Counter({
      name: "grpc_server_started_total",
      help: "Total number of RPCs started on the server.",
      labelNames: method,
      registers,
      collect() {
        this.reset();
        for (const [path, { started }] of methods) if (started > 0) this.inc(labelsOf(path), started);
      },
    });
    new Counter({
      name: "grpc_server_handled_total",
      help: "Total number of RPCs completed on the server, regardless of success or failure.",
      labelNames: [...method, "grpc_code"],
      registers,
      collect() {
        this.reset();
        for (const [path, { handled }] of methods)
          for (const [code, count] of handled) this.inc({ ...labelsOf(path), grpc_code: codeNames[code] ?? String(code) }, count);
      },
    });
    registerHistograms(registry, {
      name: "grpc_server_handling_seconds",
      help: "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.",
      unit: "seconds",
      read: () => [...methods].map(([path, { handling }]) => [labelsOf(path), handling]),
    });
    new Counter({
      name: "etcd_server_client_requests_total",
      help: "The total number of client requests per client version.",
      labelNames: ["type", "client_api_version"],
      registers,
      collect() {
        this.reset();
        for (const [type, versions] of requests)
          for (const [client_api_version, count] of versions) this.inc({ type, client_api_version }, count);
      },
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
    const method = this.#method(path);
    method.started += 1;
    // What clients say becomes a label only when it looks like a version: labels must stay few.
    const said = metadata.get("client-api-version") ?? "";
    const version = said !== "" && /^\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(said) ? said : "unknown";
    method.versions.set(version, (method.versions.get(version) ?? 0) + 1);
  }

  onDone(path: string, code: number, tookMs: number): void {
    const { handled, handling } = this.#method(path);
    handled.set(code, (handled.get(code) ?? 0) + 1);
    handling.observe(tookMs);
  }

  #method(path: string): MethodCalls {
    const known = this.#methods.get(path);
    if (known !== undefined) return known;
    const type = labelsOf(path).grpc_type === "unary" ? "unary" : "stream";
    const versions = this.#requests.get(type) ?? new Map<string, number>();
    this.#requests.set(type, versions);
    const calls = { started: 0, handled: new Map<number, number>(), handling: new CountingHistogram(handlingBoundsMs), versions };
    this.#methods.set(path, calls);
    return calls;
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
