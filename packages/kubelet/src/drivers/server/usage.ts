// What pods and the node use, in the two forms collectors ask for: /stats/summary and /metrics/resource.
// Source: k8s.io/kubelet pkg/apis/stats/v1alpha1, pkg/kubelet/metrics/collectors/resource_metrics.go.
import { readFile } from "node:fs/promises";
import type * as wire from "@lenj/proto/cri";
import { labels } from "../../core/pod/identity.js";
import type { CRIClient } from "../cri/cri-client.js";

export interface UsagePorts {
  readonly cri: CRIClient;
  readonly nodeName: string;
  readonly nowMs: () => number;
}

const cgroupRoot = "/sys/fs/cgroup";
/** One tick of /proc/stat: USER_HZ is 100 on every architecture. */
const tickNanoSeconds = 10_000_000;

export async function readSummary({ cri, nodeName, nowMs }: UsagePorts): Promise<unknown> {
  const [pods, node] = await Promise.all([cri.listPodSandboxStats(), readNodeUsage()]);
  const time = new Date(nowMs()).toISOString();
  return {
    node: {
      nodeName,
      startTime: new Date(nowMs() - node.uptimeSeconds * 1000).toISOString(),
      cpu: { time, usageCoreNanoSeconds: node.cpuNanoSeconds },
      memory: {
        time,
        availableBytes: node.availableBytes,
        usageBytes: node.totalBytes - node.freeBytes,
        workingSetBytes: node.totalBytes - node.availableBytes,
      },
    },
    pods: pods.filter(isOfPod).map((pod) => podSummary(pod)),
  };
}

export async function readResourceMetrics({ cri }: UsagePorts): Promise<string> {
  const [pods, node] = await Promise.all([cri.listPodSandboxStats(), readNodeUsage()]);
  const families = new Map<string, { help: string; type: string; lines: string[] }>([
    [
      "node_cpu_usage_seconds_total",
      { help: "Cumulative cpu time consumed by the node in core-seconds", type: "counter", lines: [` ${node.cpuNanoSeconds / 1e9}`] },
    ],
    [
      "node_memory_working_set_bytes",
      { help: "Current working set of the node in bytes", type: "gauge", lines: [` ${node.totalBytes - node.availableBytes}`] },
    ],
    [
      "container_cpu_usage_seconds_total",
      { help: "Cumulative cpu time consumed by the container in core-seconds", type: "counter", lines: [] },
    ],
    ["container_memory_working_set_bytes", { help: "Current working set of the container in bytes", type: "gauge", lines: [] }],
    ["pod_cpu_usage_seconds_total", { help: "Cumulative cpu time consumed by the pod in core-seconds", type: "counter", lines: [] }],
    ["pod_memory_working_set_bytes", { help: "Current working set of the pod in bytes", type: "gauge", lines: [] }],
  ]);
  const add = (name: string, series: Record<string, string>, value: bigint | undefined, scale = 1): void => {
    if (value === undefined) return;
    const text = Object.entries(series).map(([key, word]) => `${key}=${JSON.stringify(word)}`);
    families.get(name)?.lines.push(`{${text.join(",")}} ${Number(value) / scale}`);
  };
  for (const pod of pods.filter(isOfPod)) {
    const series = { namespace: pod.attributes?.metadata?.namespace ?? "", pod: pod.attributes?.metadata?.name ?? "" };
    add("pod_cpu_usage_seconds_total", series, pod.linux?.cpu?.usageCoreNanoSeconds?.value, 1e9);
    add("pod_memory_working_set_bytes", series, pod.linux?.memory?.workingSetBytes?.value);
    for (const container of pod.linux?.containers ?? []) {
      const own = { container: container.attributes?.metadata?.name ?? "", ...series };
      add("container_cpu_usage_seconds_total", own, container.cpu?.usageCoreNanoSeconds?.value, 1e9);
      add("container_memory_working_set_bytes", own, container.memory?.workingSetBytes?.value);
    }
  }
  return [...families]
    .map(([name, { help, type, lines }]) =>
      [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines.map((line) => `${name}${line}`)].join("\n"),
    )
    .join("\n")
    .concat("\n");
}

function isOfPod(pod: wire.PodSandboxStats): boolean {
  return pod.attributes?.labels[labels.podName] !== undefined;
}

function podSummary({ attributes, linux }: wire.PodSandboxStats): unknown {
  const link = linux?.network?.defaultInterface;
  return {
    podRef: {
      name: attributes?.metadata?.name ?? "",
      namespace: attributes?.metadata?.namespace ?? "",
      uid: attributes?.metadata?.uid ?? "",
    },
    ...usage(linux?.cpu, linux?.memory),
    ...(link !== undefined && {
      network: {
        time: timeOf(linux?.network?.timestamp ?? 0n),
        name: link.name,
        rxBytes: number(link.rxBytes),
        rxErrors: number(link.rxErrors),
        txBytes: number(link.txBytes),
        txErrors: number(link.txErrors),
      },
    }),
    ...(linux?.process?.processCount !== undefined && { process_stats: { process_count: number(linux.process.processCount) } }),
    containers: (linux?.containers ?? []).map((container) => ({
      name: container.attributes?.metadata?.name ?? "",
      ...usage(container.cpu, container.memory),
      ...(container.writableLayer !== undefined && {
        rootfs: {
          time: timeOf(container.writableLayer.timestamp),
          usedBytes: number(container.writableLayer.usedBytes),
          inodesUsed: number(container.writableLayer.inodesUsed),
        },
      }),
    })),
  };
}

function usage(cpu: wire.CpuUsage | undefined, memory: wire.MemoryUsage | undefined): Record<string, unknown> {
  return {
    ...(cpu !== undefined && {
      cpu: {
        time: timeOf(cpu.timestamp),
        usageNanoCores: number(cpu.usageNanoCores),
        usageCoreNanoSeconds: number(cpu.usageCoreNanoSeconds),
      },
    }),
    ...(memory !== undefined && {
      memory: {
        time: timeOf(memory.timestamp),
        availableBytes: number(memory.availableBytes),
        usageBytes: number(memory.usageBytes),
        workingSetBytes: number(memory.workingSetBytes),
        rssBytes: number(memory.rssBytes),
        pageFaults: number(memory.pageFaults),
        majorPageFaults: number(memory.majorPageFaults),
      },
    }),
  };
}

function number(value: { readonly value: bigint } | undefined): number | undefined {
  return value === undefined ? undefined : Number(value.value);
}

function timeOf(nanoseconds: bigint): string {
  return new Date(Number(nanoseconds / 1_000_000n)).toISOString();
}

async function readNodeUsage(): Promise<{
  cpuNanoSeconds: number;
  totalBytes: number;
  freeBytes: number;
  availableBytes: number;
  uptimeSeconds: number;
}> {
  const [group, machine, memory, uptime] = await Promise.all([
    readFile(`${cgroupRoot}/cpu.stat`, "utf8").catch(() => ""),
    readFile("/proc/stat", "utf8"),
    readFile("/proc/meminfo", "utf8"),
    readFile("/proc/uptime", "utf8"),
  ]);
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(memory)?.[1] ?? 0) * 1024;
  const ticks = (/^cpu\s+(.*)$/m.exec(machine)?.[1] ?? "").split(" ").map(Number);
  // user, nice, system, (idle, iowait,) irq, softirq, steal.
  const busyTicks = [0, 1, 2, 5, 6, 7].reduce((sum, position) => sum + (ticks[position] ?? 0), 0);
  const groupMicros = /^usage_usec (\d+)/m.exec(group)?.[1];
  return {
    // Without a version 2 hierarchy at the usual place the machine's own counters are all there is.
    cpuNanoSeconds: groupMicros === undefined ? busyTicks * tickNanoSeconds : Number(groupMicros) * 1000,
    totalBytes: bytes("MemTotal"),
    freeBytes: bytes("MemFree"),
    availableBytes: bytes("MemAvailable"),
    uptimeSeconds: Number(uptime.split(" ")[0]),
  };
}
