// Finding and ending the processes that shims look after, safely across reuse of process IDs.
import { readFileSync } from "node:fs";
import { parentOfProcess } from "./exit-watch.js";
import { shimName } from "./layout.js";

/** A shim and its process as the pid file and the process table show them; undefined when either is gone. */
export function findShimmed(pidFile: string): { pid: number; shimPID: number } | undefined {
  let pid: number;
  try {
    pid = Number(readFileSync(pidFile).readBigInt64LE(0));
  } catch {
    return undefined; // Never started, or the node was rebooted since.
  }
  const shimPID = parentOfProcess(pid);
  return shimPID !== undefined && isShim(shimPID) ? { pid, shimPID } : undefined;
}

/** Sends a signal to a shim's process. False when it is gone: the number may belong to someone else by now. */
export function signalShimmed(process_: { pid: number; shimPID: number }, signal: number): boolean {
  if (parentOfProcess(process_.pid) !== process_.shimPID) return false;
  try {
    process.kill(process_.pid, signal);
    return true;
  } catch {
    return false;
  }
}

function isShim(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === shimName;
  } catch {
    return false;
  }
}
