import type { Informer, KubeObject } from "@lenj/client";
import { type Reconcile, ReconcileLoop } from "@lenj/controller-runtime";
import type { ControllerContext } from "../controller-context.js";

interface WaitsForSync {
  whenSynced(signal: AbortSignal): Promise<void>;
}

/** A reconcile loop in the context's clock, logger and metrics that waits for the given caches. */
export function makeLoop(
  context: ControllerContext,
  options: { readonly name: string; readonly workers?: number; readonly caches: readonly WaitsForSync[]; readonly reconcile: Reconcile },
): ReconcileLoop {
  return new ReconcileLoop({
    name: options.name,
    reconcile: options.reconcile,
    isReady: async (signal) => {
      for (const cache of options.caches) await cache.whenSynced(signal);
    },
    workers: options.workers ?? 1,
    clock: context.clock,
    logger: context.logger,
    metrics: context.queueMetrics(options.name),
  });
}

/** A loop that does one thing again and again: `work` runs when the caches are complete and `periodMs` after each end. */
export function makePeriodicLoop(
  context: ControllerContext,
  options: {
    readonly name: string;
    readonly periodMs: number;
    readonly caches: readonly WaitsForSync[];
    readonly work: (signal: AbortSignal) => Promise<void>;
  },
): ReconcileLoop {
  const loop = makeLoop(context, {
    name: options.name,
    caches: options.caches,
    reconcile: async (_, signal) => {
      try {
        await options.work(signal);
      } catch (error) {
        if (!signal.aborted)
          context.logger.warn("Periodic work failed", {
            controller: options.name,
            error: error instanceof Error ? error.message : String(error),
          });
      }
      return { requeueAfterMs: options.periodMs };
    },
  });
  loop.queue.add("all");
  return loop;
}

/** Calls `enqueue` for every change of an informer's objects. */
export function onAnyChange<T extends KubeObject>(informer: Informer<T>, enqueue: (object: T) => void): void {
  informer.addHandler({ onAdd: enqueue, onUpdate: (_, object) => enqueue(object), onDelete: enqueue });
}
