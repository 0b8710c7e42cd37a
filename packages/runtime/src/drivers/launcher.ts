// Runs launcher programs as processes and reads what they report.
//
// Owns:  the launcher's executable file, program files while they start.
// Not:   what the programs do (core/launch), which process belongs to whom (drivers/runtime.ts).
// L1. Shims are their own sessions: they outlive this process and its signals.
// L2. A program file is removed as soon as its process has mapped it.
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Duplex, Readable, Writable } from "node:stream";
import { RuntimeError } from "../core/errors.js";
import { encodeLauncher } from "../core/launch/elf.js";
import { formatErrno } from "../core/launch/kernel-constants.js";
import type { AssembledProgram } from "../core/launch/program.js";
import { decodeReport, type Report, reportBytes } from "../core/launch/reports.js";
import type { Architecture } from "../core/launch/syscall-table.js";

/** A shim whose process is in place. */
export interface StartedShim {
  /** The process the shim waits for. */
  readonly pid: number;
  readonly shimPID: number;
  /** Resolves when the shim itself has ended. */
  readonly shimExited: Promise<void>;
}

/** A program that failed, with the call that did. */
export class LaunchError extends Error {
  override readonly name = "LaunchError";
  constructor(
    readonly call: string,
    readonly errno: number,
  ) {
    super(`${call}: ${formatErrno(errno)}`);
  }
}

/** A running foreground program: exec or port forward. */
export interface ForegroundProgram {
  readonly shimPID: number;
  /** Resolves with the pid once started; rejects with LaunchError. */
  readonly started: Promise<number>;
  /** Resolves with the wait status; rejects when the program ended without one. */
  readonly exited: Promise<number>;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly control: Writable;
  /** Resolves when the program is gone and its streams have ended. */
  readonly closed: Promise<void>;
}

export class Launcher {
  readonly #executable: string;
  readonly #programs: string;
  #count = 0;

  /** `directory` must be on a file system that allows execution. */
  constructor(
    directory: string,
    readonly architecture: Architecture,
  ) {
    this.#programs = join(directory, "programs");
    this.#executable = join(directory, "shim");
    rmSync(this.#programs, { recursive: true, force: true });
    mkdirSync(this.#programs, { recursive: true, mode: 0o700 });
    // By rename: an executable that a shim of an earlier run uses cannot be written to.
    const draft = `${this.#executable}.${process.pid}`;
    writeFileSync(draft, encodeLauncher(architecture));
    chmodSync(draft, 0o755);
    renameSync(draft, this.#executable);
  }

  /**
   * Runs a container's or sandbox's program and resolves once its process executes. Rejects with LaunchError; nothing is left running then.
   */
  async startShim(program: AssembledProgram): Promise<StartedShim> {
    const { child, file } = this.#spawn(program, ["ignore", "ignore", "ignore", "pipe"]);
    const shimExited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const reports = await this.#collect(child.stdio[3] as Readable, program, child);
    rmSync(file, { force: true });
    const failure = reports.find((report) => report.kind === "failed");
    if (failure !== undefined) {
      await shimExited;
      throw new LaunchError(program.describe(failure.recordAddress), failure.errno);
    }
    const started = reports.find((report) => report.kind === "started");
    if (started === undefined || child.pid === undefined) {
      await shimExited;
      throw new RuntimeError(
        "UNKNOWN",
        `shim ended before its process was started (exit code ${child.exitCode}, signal ${child.signalCode})`,
      );
    }
    child.unref();
    return { pid: started.pid, shimPID: child.pid, shimExited };
  }

  /** Runs a program that has nothing to report and waits for its end. */
  async runToEnd(program: AssembledProgram): Promise<void> {
    const { child, file } = this.#spawn(program, ["ignore", "ignore", "ignore", "ignore"]);
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", () => resolve());
    });
    rmSync(file, { force: true });
  }

  /** Runs a program whose descriptors 0-2 and 4 are streams of the caller's. */
  runForeground(program: AssembledProgram): ForegroundProgram {
    const { child, file } = this.#spawn(program, ["pipe", "pipe", "pipe", "pipe", "pipe"]);
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    let onStarted: (pid: number) => void = () => {};
    let onExited: (status: number) => void = () => {};
    let fail: (error: Error) => void = () => {};
    const started = new Promise<number>((resolve, reject) => {
      onStarted = resolve;
      fail = reject;
    });
    const exited = new Promise<number>((resolve, reject) => {
      onExited = resolve;
      const failStart = fail;
      fail = (error) => {
        failStart(error);
        reject(error);
      };
    });
    // Callers look at one of the two; the other's rejection is the same error.
    started.catch(() => {});
    exited.catch(() => {});
    readReports(child.stdio[3] as Readable, (report) => {
      rmSync(file, { force: true });
      if (report.kind === "started") onStarted(report.pid);
      else if (report.kind === "exited") onExited(report.waitStatus);
      else fail(new LaunchError(program.describe(report.recordAddress), report.errno));
    });
    child.once("error", fail);
    // After a good end both promises are settled and this does nothing.
    void closed.then(() =>
      fail(new RuntimeError("UNKNOWN", `process ended without a status (exit code ${child.exitCode}, signal ${child.signalCode})`)),
    );
    const control = child.stdio[4] as Duplex;
    for (const stream of [child.stdin, child.stdout, child.stderr, control]) stream?.on("error", () => {}); // EPIPE: the process is gone, its exit says so.
    return {
      shimPID: child.pid ?? -1,
      started,
      exited,
      stdin: child.stdin as Writable,
      stdout: child.stdout as Readable,
      stderr: child.stderr as Readable,
      control,
      closed,
    };
  }

  #spawn(program: AssembledProgram, stdio: ("pipe" | "ignore")[]): { child: ChildProcess; file: string } {
    const file = join(this.#programs, `${process.pid}-${this.#count++}`);
    writeFileSync(file, program.image, { mode: 0o600 });
    return { child: spawn(this.#executable, [file], { detached: true, stdio, env: {}, cwd: "/" }), file };
  }

  #collect(status: Readable, _program: AssembledProgram, child: ChildProcess): Promise<Report[]> {
    return new Promise((resolve, reject) => {
      const reports: Report[] = [];
      child.once("error", (error) => reject(new RuntimeError("UNKNOWN", `cannot run the launcher: ${error.message}`, { cause: error })));
      readReports(status, (report) => reports.push(report));
      status.once("close", () => resolve(reports));
    });
  }
}

function readReports(status: Readable, onReport: (report: Report) => void): void {
  let held = Buffer.alloc(0);
  status.on("data", (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= reportBytes) {
      onReport(decodeReport(held.subarray(0, reportBytes)));
      held = held.subarray(reportBytes);
    }
  });
  status.on("error", () => {}); // A reset is an end; what was reported counts.
}
