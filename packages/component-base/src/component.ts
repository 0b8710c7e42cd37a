// Life of a process: flags, logger, health and metrics server, signals, orderly stop.
import type { Clock, Logger, Random } from "@lenj/base";
import type { Registry } from "prom-client";
import type { HealthChecks } from "./health.js";

/** What a component is given to run in. */
export interface ComponentContext {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** The process's Prometheus registry; served at /metrics. */
  readonly metrics: Registry;
  /** Named checks behind /healthz, /livez and /readyz. */
  readonly health: HealthChecks;
  /** Aborted when the process was told to stop. */
  readonly signal: AbortSignal;
}

/** A started component. */
export interface RunningComponent {
  /** Stops accepting, finishes accepted work, releases everything. Called once, on SIGTERM or SIGINT or after `failed`. */
  close(): Promise<void>;
  /** Resolves if the component cannot go on; the process then closes it and exits 1. */
  readonly failed?: Promise<Error>;
}
