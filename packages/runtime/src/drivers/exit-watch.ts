// Notices ends: a shim writes a file named after its container or sandbox into one directory.
//
// W1. Every exit file is reported once, also one that was written while nobody watched.
// W2. A shim that died without writing its file is found by the sweep and reported as lost.
import { existsSync, type FSWatcher, mkdirSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";
import { exitFileBytes } from "../core/launch/container-program.js";
import { exitCodeOf } from "../core/launch/reports.js";

export interface ObservedExit {
  readonly exitCode: number;
  /** Nanoseconds since the epoch. */
  readonly finishedAt: bigint;
}

interface Watched {
  readonly shimPID: number;
  readonly onExit: (exit: ObservedExit | undefined) => void;
}

const sweepIntervalMs = 1_000;

export class ExitWatch {
  readonly #watched = new Map<string, Watched>();
  readonly #watcher: FSWatcher;
  readonly #sweep: NodeJS.Timeout;

  constructor(readonly directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#watcher = watch(directory, (_, fileName) => {
      if (fileName !== null) this.check(fileName);
      // Without a name some events were dropped: the sweep finds them.
    });
    this.#watcher.on("error", () => {}); // The sweep alone is enough, only slower.
    this.#sweep = setInterval(() => {
      for (const id of [...this.#watched.keys()]) this.#sweepOne(id);
    }, sweepIntervalMs);
    this.#sweep.unref();
  }

  fileOf(id: string): string {
    return join(this.directory, id);
  }

  /** Calls `onExit` once, never synchronously: with the exit, or with undefined when the shim vanished without telling. */
  watch(id: string, watched: Watched): void {
    this.#watched.set(id, watched);
    setImmediate(() => this.check(id));
  }

  forget(id: string): void {
    this.#watched.delete(id);
  }

  /** Looks for the exit file of `id` now. */
  check(id: string): void {
    const watched = this.#watched.get(id);
    if (watched === undefined) return;
    const exit = readExit(this.fileOf(id));
    if (exit === undefined) return;
    this.#watched.delete(id);
    watched.onExit(exit);
  }

  /** The shim of `id` has ended: what is not in a file now never will be. */
  shimEnded(id: string): void {
    this.check(id);
    const watched = this.#watched.get(id);
    if (watched === undefined) return;
    this.#watched.delete(id);
    watched.onExit(undefined);
  }

  close(): void {
    clearInterval(this.#sweep);
    this.#watcher.close();
  }

  #sweepOne(id: string): void {
    const watched = this.#watched.get(id);
    if (watched === undefined) return;
    this.check(id);
    if (this.#watched.has(id) && !isProcessAlive(watched.shimPID)) this.shimEnded(id);
  }
}

export function readExit(file: string): ObservedExit | undefined {
  if (!existsSync(file)) return undefined;
  const bytes = readFileSync(file);
  if (bytes.length < exitFileBytes) return undefined;
  return { exitCode: exitCodeOf(bytes.readUInt32LE(0)), finishedAt: bytes.readBigInt64LE(8) * 1_000_000_000n + bytes.readBigInt64LE(16) };
}

/** False for a process that is gone or waits to be reaped. */
export function isProcessAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const state = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
    return state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}

/** Parent of a process, or undefined when it is gone. */
export function parentOfProcess(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}
