// What the supervisor knows and decides about one process. Pure.
//
// S1. A process that ends unasked is started again, after a delay that doubles with each quick death.
// S2. A process that was killed or paused with hold stays as it is until `start`, `resume` or `restart`.

export type ProcessPhase = "stopped" | "running" | "paused" | "backoff" | "held";

export interface ProcessRecord {
  readonly phase: ProcessPhase;
  /** Starts after the first. */
  readonly restarts: number;
  /** Deaths in a row within `quickDeathMs` of their start. */
  readonly quickDeaths: number;
  readonly startedAtMs: number;
  readonly held: boolean;
  readonly lastExit: string | undefined;
}

/** A life shorter than this counts as a quick death. */
export const quickDeathMs = 10_000;
const firstDelayMs = 100;
const longestDelayMs = 10_000;

export const newRecord: ProcessRecord = { phase: "stopped", restarts: 0, quickDeaths: 0, startedAtMs: 0, held: false, lastExit: undefined };

export function applyStart(record: ProcessRecord, nowMs: number): ProcessRecord {
  return { ...record, phase: "running", startedAtMs: nowMs, held: false };
}

/** The record after an exit, and in how many milliseconds to start again; undefined: not at all. */
export function applyExit(
  record: ProcessRecord,
  exit: string,
  nowMs: number,
  stopping: boolean,
): { record: ProcessRecord; restartInMs: number | undefined } {
  if (stopping) return { record: { ...record, phase: "stopped", lastExit: exit }, restartInMs: undefined };
  if (record.held) return { record: { ...record, phase: "held", lastExit: exit }, restartInMs: undefined };
  const quick = nowMs - record.startedAtMs < quickDeathMs;
  const quickDeaths = quick ? record.quickDeaths + 1 : 0;
  const restartInMs = quickDeaths === 0 ? firstDelayMs : Math.min(longestDelayMs, firstDelayMs * 2 ** (quickDeaths - 1));
  return { record: { ...record, phase: "backoff", restarts: record.restarts + 1, quickDeaths, lastExit: exit }, restartInMs };
}
