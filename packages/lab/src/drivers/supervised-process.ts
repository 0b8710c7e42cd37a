// One process of the lab: started, watched, started again, told to stop.
//
// Owns:  the child process, its log file and its restart timer.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { applyExit, applyStart, newRecord, type ProcessRecord } from "../core/process-state.js";
import type { ProcessSpec } from "../core/topology.js";
import { childrenOf } from "./capsule.js";

/** A log past this size is kept once as <name>.log.1 when its process starts. */
const logBytesMax = 32 * 1024 * 1024;

export interface ProcessOptions {
  readonly spec: ProcessSpec;
  readonly logFile: string;
  /** The command that runs the process where it belongs; asked anew at every start. Throws while its node is off. */
  readonly command: () => { program: string; args: string[]; env: NodeJS.ProcessEnv; entersPidNamespace: boolean };
  readonly onChange: (record: ProcessRecord) => void;
}

export class SupervisedProcess {
  #record: ProcessRecord = newRecord;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #entersPidNamespace = false;
  #stopping = false;
  #restart: NodeJS.Timeout | undefined;

  constructor(readonly options: ProcessOptions) {}

  get record(): ProcessRecord {
    return this.#record;
  }

  /** The program's pid as the supervisor sees it; undefined while it is not running. */
  pid(): number | undefined {
    const pid = this.#child?.pid;
    if (pid === undefined || this.#child === undefined || hasExited(this.#child)) return undefined;
    // nsenter stays outside the pid namespace as the parent of what it started.
    return this.#entersPidNamespace ? childrenOf(pid)[0] : pid;
  }

  /** Starts the process if it is not running. */
  start(): void {
    clearTimeout(this.#restart);
    if (this.#child !== undefined && !hasExited(this.#child)) return;
    this.#stopping = false;
    const { program, args, env, entersPidNamespace } = this.options.command();
    this.#entersPidNamespace = entersPidNamespace;
    const log = this.#openLog();
    const child = spawn(program, args, { stdio: ["ignore", log, log], env, cwd: "/" });
    closeSync(log);
    this.#child = child;
    this.#set(applyStart(this.#record, performance.now()));
    this.#exited = new Promise((resolve) => {
      const onEnd = (exit: string): void => {
        if (this.#child === child) this.#onExit(exit);
        resolve();
      };
      child.once("error", (error) => onEnd(error.message));
      child.once("exit", (code, signal) => onEnd(signal ?? `exit code ${code}`));
    });
  }

  /** Sends a signal to the program itself. Throws Error when it is not running. */
  signal(signal: NodeJS.Signals): void {
    const pid = this.pid();
    if (pid === undefined) throw new Error(`${this.options.spec.name} is not running`);
    process.kill(pid, signal);
  }

  /** With `hold` the process is not started again when it ends. */
  kill(signal: NodeJS.Signals, hold: boolean): void {
    this.#set({ ...this.#record, held: hold });
    this.signal(signal);
    if (this.#record.phase === "paused" && signal !== "SIGKILL") this.signal("SIGCONT");
  }

  pause(hold: boolean): void {
    this.signal("SIGSTOP");
    this.#set({ ...this.#record, phase: "paused", held: hold });
  }

  resume(): void {
    this.signal("SIGCONT");
    this.#set({ ...this.#record, phase: "running", held: false });
  }

  /** Ends the process in order, and by force after `graceMs`. It is not started again. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    if (this.#child === undefined || hasExited(this.#child)) {
      this.#set({ ...this.#record, phase: "stopped" });
      return;
    }
    this.#trySignal("SIGTERM");
    this.#trySignal("SIGCONT");
    const force = setTimeout(() => this.#trySignal("SIGKILL"), graceMs);
    await this.#exited;
    clearTimeout(force);
  }

  #trySignal(signal: NodeJS.Signals): void {
    try {
      const pid = this.pid() ?? this.#child?.pid;
      if (pid !== undefined) process.kill(pid, signal);
    } catch {
      // It ended between the look and the signal.
    }
  }

  #onExit(exit: string): void {
    const { record, restartInMs } = applyExit(this.#record, exit, performance.now(), this.#stopping);
    this.#set(record);
    if (restartInMs === undefined) return;
    this.#restart = setTimeout(() => {
      try {
        this.start();
      } catch {
        // The node was powered off meanwhile; power on starts its processes.
        this.#set({ ...this.#record, phase: "stopped" });
      }
    }, restartInMs);
  }

  #set(record: ProcessRecord): void {
    this.#record = record;
    this.options.onChange(record);
  }

  #openLog(): number {
    const { logFile } = this.options;
    mkdirSync(dirname(logFile), { recursive: true });
    if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > logBytesMax) renameSync(logFile, `${logFile}.1`);
    return openSync(logFile, "a");
  }
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}
