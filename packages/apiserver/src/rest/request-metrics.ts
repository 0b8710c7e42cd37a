// Metrics of requests under upstream's names. Source: k8s.io/apiserver pkg/endpoints/metrics.
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { RequestInfo } from "../core/request-info.js";

export interface RequestMetrics {
  onRequestEnd(request: RequestInfo, method: string, outcome: { code: number; seconds: number }): void;
}

export function createRequestMetrics(registry: Registry, gauges: { watchers: () => number; inFlight: () => number }): RequestMetrics {
  const total = new Counter({
    name: "apiserver_request_total",
    help: "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.",
    labelNames: ["verb", "group", "version", "resource", "subresource", "scope", "component", "code"],
    registers: [registry],
  });
  const duration = new Histogram({
    name: "apiserver_request_duration_seconds",
    help: "Response latency distribution in seconds for each verb, group, version, resource, subresource, scope and component.",
    labelNames: ["verb", "group", "version", "resource", "subresource", "scope", "component"],
    buckets: [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60],
    registers: [registry],
  });
  new Gauge({
    name: "apiserver_longrunning_requests",
    help: "Gauge of all active long-running apiserver requests.",
    registers: [registry],
    collect() {
      this.set(gauges.watchers());
    },
  });
  new Gauge({
    name: "apiserver_current_inflight_requests",
    help: "Number of requests being worked on now.",
    registers: [registry],
    collect() {
      this.set(gauges.inFlight());
    },
  });
  return {
    onRequestEnd(request, method, { code, seconds }) {
      const verb = request.isResourceRequest ? request.verb.toUpperCase() : method;
      const labels = {
        verb: verb === "UPDATE" ? "PUT" : verb === "CREATE" ? "POST" : verb,
        group: request.apiGroup,
        version: request.apiVersion,
        resource: request.resource,
        subresource: request.subresource,
        scope: !request.isResourceRequest ? "" : request.name !== "" ? "resource" : request.namespace !== "" ? "namespace" : "cluster",
        component: "apiserver",
      };
      total.inc({ ...labels, code: String(code) });
      if (labels.verb !== "WATCH") duration.observe(labels, seconds);
    },
  };
}
