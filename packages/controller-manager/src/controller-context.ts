// What every controller is given, and what it gives back.
import type { Clock, Logger, Random } from "@lenj/base";
import type { ApiClient, EventRecorder, Informer, InformerFactory, KubeObject } from "@lenj/client";
import type { QueueMetrics } from "@lenj/controller-runtime";
import type { ControllerManagerConfig } from "./config.js";

export interface ControllerContext {
  readonly client: ApiClient;
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly config: ControllerManagerConfig;
  readonly recorder: (component: string) => EventRecorder;
  readonly queueMetrics: (name: string) => QueueMetrics;
}

/** A controller that was created but does nothing before `start()`. */
export interface Controller {
  readonly name: string;
  readonly failed: Promise<Error>;
  start(): void;
  close(): Promise<void>;
}

/** Registers its informers and returns the controller; informers start after all controllers exist. */
export type ControllerFactory = (context: ControllerContext) => Controller;

/** Gate of a reconcile loop: resolves when all these caches are complete. */
export function whenSynced(
  ...informers: readonly Informer<never>[] | readonly Informer<KubeObject>[]
): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    // One after the other: as quick, and one listener on the signal instead of one an informer.
    for (const informer of informers) await informer.whenSynced(signal);
  };
}
