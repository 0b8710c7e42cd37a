import { Gauge, Registry } from "prom-client";

/**
 * A registry with the process_* gauges of Prometheus' client conventions, read only when scraped.
 * prom-client's own default set is left out: its event loop sampler wakes an idle process 100 times a second.
 */
export function createMetrics(): Registry {
  const registry = new Registry();
  gauge(registry, "process_resident_memory_bytes", "Resident memory size in bytes.", () => process.memoryUsage.rss());
  gauge(registry, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", () => {
    const usage = process.cpuUsage();
    return (usage.user + usage.system) / 1e6;
  });
  gauge(
    registry,
    "process_start_time_seconds",
    "Start time of the process since unix epoch in seconds.",
    () => Date.now() / 1000 - process.uptime(),
  );
  return registry;
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}
