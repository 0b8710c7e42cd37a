// Usage of sandboxes and containers: cgroups, writable layers, pod links.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ContainerStats, PodSandboxStats } from "@lenj/proto/cri";
import type { ContainerRecord, SandboxRecord } from "../core/records.js";
import { describeContainerStats, describeSandboxStats, type LinkCounters, type MeasuredUsage } from "./cri-messages.js";
import { nowNanoseconds } from "./environment.js";
import type { Runtime } from "./runtime.js";

/** A writable layer is walked at most this often. */
const layerCacheMs = 10_000;

export class Stats {
  readonly #previous = new Map<string, { cpu: bigint; at: bigint; nanoCores: bigint }>();
  readonly #layers = new Map<string, { usedBytes: number; usedInodes: number; at: number }>();

  constructor(private readonly runtime: Runtime) {}

  container(record: ContainerRecord): ContainerStats {
    const { environment } = this.runtime;
    const directory = join(environment.containerRecords.directoryOf(record.id), "upper");
    const measured = record.state.name === "running" ? this.#measure(record.cgroupPath) : undefined;
    return describeContainerStats(record, measured, {
      directory: environment.layout.root,
      ...this.#layer(directory),
      timestamp: nowNanoseconds(environment),
    });
  }

  sandbox(record: SandboxRecord): PodSandboxStats {
    const containers = this.runtime.containers.inSandbox(record.id).filter((container) => container.state.name === "running");
    // The pod's own group, which the kubelet made around sandbox and containers, counts them all.
    const parent = record.config.linux?.cgroupParent ?? "";
    const measured = this.#measure(parent === "" ? dirname(record.cgroupPath) : parent);
    return describeSandboxStats(
      record,
      measured,
      containers.map((container) => this.container(container)),
      readPodLink(record),
    );
  }

  /** Drops what is remembered of containers that are gone. */
  forget(existing: ReadonlySet<string>): void {
    for (const path of this.#previous.keys()) if (!existing.has(path)) this.#previous.delete(path);
  }

  #measure(path: string): MeasuredUsage | undefined {
    const { cgroups, environment } = this.runtime;
    const usage = cgroups.usage(path);
    if (usage === undefined) return undefined;
    const timestamp = nowNanoseconds(environment);
    const previous = this.#previous.get(path);
    const elapsed = timestamp - (previous?.at ?? timestamp);
    if (previous !== undefined && elapsed < 100_000_000n) return { usage, nanoCores: previous.nanoCores, timestamp };
    const nanoCores =
      previous === undefined || elapsed <= 0n || usage.cpuNanoseconds < previous.cpu
        ? 0n
        : ((usage.cpuNanoseconds - previous.cpu) * 1_000_000_000n) / elapsed;
    this.#previous.set(path, { cpu: usage.cpuNanoseconds, at: timestamp, nanoCores });
    return { usage, nanoCores, timestamp };
  }

  #layer(directory: string): { usedBytes: number; usedInodes: number } {
    const at = this.runtime.environment.clock.monotonicMs();
    const cached = this.#layers.get(directory);
    if (cached !== undefined && at - cached.at < layerCacheMs) return cached;
    const measured = { ...walk(directory), at };
    this.#layers.set(directory, measured);
    if (this.#layers.size > 2_000) this.#layers.clear();
    return measured;
  }
}

function walk(directory: string): { usedBytes: number; usedInodes: number } {
  let usedBytes = 0;
  let usedInodes = 0;
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      usedInodes += 1;
      if (entry.isDirectory()) {
        const below = walk(path);
        usedBytes += below.usedBytes;
        usedInodes += below.usedInodes;
      } else if (entry.isFile()) usedBytes += (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
    }
  } catch {
    // The container changes it or went away: what was counted is the answer.
  }
  return { usedBytes, usedInodes };
}

function readPodLink(record: SandboxRecord): LinkCounters | undefined {
  if (record.state.name !== "ready" || record.ip === "") return undefined;
  try {
    const line = readFileSync(`/proc/${record.state.pid}/net/dev`, "utf8")
      .split("\n")
      .find((text) => text.trim().startsWith("eth0:"));
    const fields = line?.split(":")[1]?.trim().split(/\s+/).map(BigInt) ?? [];
    return { rxBytes: fields[0] ?? 0n, rxErrors: fields[2] ?? 0n, txBytes: fields[8] ?? 0n, txErrors: fields[10] ?? 0n };
  } catch {
    return undefined; // The pause process has just ended.
  }
}
