// What the `lenj` command and the supervisor say to each other, as JSON over HTTP on a unix socket.
import type { ProcessPhase } from "./process-state.js";
import type { StoreStatus } from "./store-status.js";

export interface ProcessStatus {
  readonly name: string;
  readonly kind: string;
  readonly state: ProcessPhase;
  /** As the asking program's pid namespace sees it; null while not running. */
  readonly pid: number | null;
  readonly restarts: number;
  /** Store replicas only: "leader", "follower", "candidate", "preCandidate" or "unknown". */
  readonly role?: string;
  /** Store replicas that answer. `lag`: entries that another one knows to be committed and this one has not applied. */
  readonly store?: StoreStatus & { readonly lag: number };
  readonly lastExit?: string;
}

export interface NodeStatus {
  readonly name: string;
  readonly power: "on" | "off";
  readonly ready: boolean;
  readonly address: string;
}

export interface LabStatus {
  readonly id: string;
  /** "starting" until everything was Ready once. */
  readonly phase: "starting" | "ready" | "failed";
  readonly processes: readonly ProcessStatus[];
  readonly nodes: readonly NodeStatus[];
  readonly cuts: readonly (readonly [string, string])[];
}

/** One step of coming up. The last event of a start is "ready" or "failed". */
export type ProgressEvent =
  | { readonly type: "step"; readonly text: string; readonly elapsedMs: number }
  | { readonly type: "ready"; readonly elapsedMs: number }
  | { readonly type: "failed"; readonly error: string };

/** What `up` tells the supervisor it starts. */
export interface SupervisorStart {
  readonly type: "start";
  readonly state: string;
  /** Names of the listeners handed over, in the order of the messages that follow. */
  readonly listeners: readonly string[];
}
