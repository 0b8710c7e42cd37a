// What processes have used, as Linux counts it.
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";

const clockTicksPerSecond = 100;

export interface Usage {
  /** User and system time of all members, in seconds. */
  readonly cpuSeconds: number;
  /** Bytes that all members sent to disk. */
  readonly writtenBytes: number;
  /** Resident memory of all members, in bytes. */
  readonly residentBytes: number;
  /** The part of it that no file backs: without what is only mapped from the database. */
  readonly anonymousBytes: number;
}

export function usageOf(pids: readonly number[]): Usage {
  const sum = (read: (pid: number) => number): number => pids.reduce((total, pid) => total + read(pid), 0);
  return {
    cpuSeconds: sum(cpuSecondsOf),
    writtenBytes: sum((pid) => numberIn(`/proc/${pid}/io`, /^write_bytes: (\d+)/m)),
    residentBytes: sum((pid) => numberIn(`/proc/${pid}/status`, /^VmRSS:\s+(\d+)/m) * 1_024),
    anonymousBytes: sum((pid) => numberIn(`/proc/${pid}/status`, /^RssAnon:\s+(\d+)/m) * 1_024),
  };
}

/** setsid's child is the member. */
export function pidsUnder(child: ChildProcess): number[] {
  if (child.pid === undefined || child.exitCode !== null) return [];
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
  return children === "" ? [child.pid] : children.split(" ").map(Number);
}

function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond;
}

function numberIn(file: string, pattern: RegExp): number {
  return Number(pattern.exec(readFileSync(file, "utf8"))?.[1] ?? 0);
}
