// Keeps the logs of running containers small: a log that grew too large is set aside, and the runtime begins a new one.
//
// Owns:  the rotated files beside each log: "<log>.<time>", and "<log>.<time>.gz" once a newer one exists.
// G1. A log without its file is reopened: a rotation was cut short between the renaming and the runtime's reopening.
// Source: pkg/kubelet/logs/container_log_manager.go.
import { createReadStream, createWriteStream } from "node:fs";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { type Clock, delay, type Logger } from "@lenj/base";
import type { ContainerRecord } from "../../core/runtime-state.js";

/** Upstream: containerLogMonitorInterval. */
const intervalMs = 10_000;

export interface LogRotationPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly containers: () => readonly ContainerRecord[];
  /** Tells the runtime to go on in a new file of the same name. */
  readonly reopen: (id: string, signal: AbortSignal) => Promise<void>;
  readonly maxBytes: number;
  /** Including the one being written; at least 2. */
  readonly maxFiles: number;
}

export async function rotateLogsLoop(ports: LogRotationPorts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(ports.clock, intervalMs, signal).catch(() => undefined);
    for (const container of ports.containers()) {
      if (signal.aborted) return;
      if (container.state !== "running" || container.logPath === "") continue;
      await rotateLog(ports, container, signal).catch((error: unknown) => {
        if (!signal.aborted)
          ports.logger.warn("Rotating a log failed", {
            container: container.name,
            path: container.logPath,
            error: (error as Error).message,
          });
      });
    }
  }
}

export async function rotateLog(ports: LogRotationPorts, { id, logPath }: ContainerRecord, signal: AbortSignal): Promise<void> {
  const size = (await stat(logPath).catch(() => undefined))?.size;
  if (size === undefined) return ports.reopen(id, signal); // G1
  if (size < ports.maxBytes) return;
  const rotated = await tidyRotated(logPath, Math.max(2, ports.maxFiles));
  for (const path of rotated) if (!path.endsWith(".gz")) await compress(path);
  const aside = `${logPath}.${new Date(ports.clock.wallMs())
    .toISOString()
    .replace(/[-:]|\..*$/g, "")
    .replace("T", "-")}`;
  await rename(logPath, aside);
  try {
    await ports.reopen(id, signal);
  } catch (error) {
    // The runtime still writes to the file that was renamed.
    await rename(aside, logPath);
    throw error;
  }
}

/** Removes unfinished and the oldest rotated files, so that with the current log and one more `maxFiles` remain. */
async function tidyRotated(logPath: string, maxFiles: number): Promise<string[]> {
  const folder = dirname(logPath);
  const names = (await readdir(folder)).filter((name) => name.startsWith(`${basename(logPath)}.`)).sort();
  const finished = names.filter((name) => !name.endsWith(".tmp"));
  const surplus = finished.slice(0, Math.max(0, finished.length - (maxFiles - 2)));
  for (const name of names) if (name.endsWith(".tmp") || surplus.includes(name)) await rm(`${folder}/${name}`, { force: true });
  return finished.filter((name) => !surplus.includes(name)).map((name) => `${folder}/${name}`);
}

async function compress(path: string): Promise<void> {
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.tmp`, { mode: 0o640 }));
  await rename(`${path}.tmp`, `${path}.gz`);
  await rm(path, { force: true });
}
