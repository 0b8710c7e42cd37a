// What the parts of the runtime share: ports and settings, made once by runtime.ts.
import type { Clock, Logger } from "@lenj/base";
import type { NodeRights } from "../core/process-plan.js";
import type { ContainerRecord, SandboxRecord } from "../core/records.js";
import type { Cgroups } from "./cgroups.js";
import type { ExitWatch } from "./exit-watch.js";
import type { ImageStore } from "./images/image-store.js";
import type { Launcher } from "./launcher.js";
import type { Layout } from "./layout.js";
import type { RecordStore } from "./record-store.js";

export type ContainerEventKind = "created" | "started" | "stopped" | "deleted";

export interface ContainerEvent {
  readonly kind: ContainerEventKind;
  /** Of a container, or of a sandbox, which the CRI counts as one here. */
  readonly id: string;
  readonly sandboxID: string;
  readonly at: bigint;
}

export interface Environment {
  readonly layout: Layout;
  readonly rights: NodeRights;
  readonly launcher: Launcher;
  readonly cgroups: Cgroups;
  readonly exits: ExitWatch;
  readonly images: ImageStore;
  readonly sandboxRecords: RecordStore<SandboxRecord>;
  readonly containerRecords: RecordStore<ContainerRecord>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Directory of localhost seccomp profiles. */
  readonly seccompDirectory: string;
  readonly onEvent: (event: ContainerEvent) => void;
}

/** Wall-clock time as the CRI counts it. */
export function nowNanoseconds(environment: Pick<Environment, "clock">): bigint {
  return BigInt(Math.round(environment.clock.wallMs() * 1000)) * 1000n;
}
