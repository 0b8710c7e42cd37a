// Pod garbage collection: looks every so often for pods that no kubelet will ever clean up.
import { isNotFound, objectName, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { makePeriodicLoop } from "../../drivers/make-loop.js";
import { uidPrecondition } from "../../drivers/pod-control.js";
import { missingNodes, planCollection } from "./plan.js";

const PERIOD_MS = 20_000;
/** A node may be missing from a stale cache only. */
const QUARANTINE_MS = 40_000;

export function createPodGCController(context: ControllerContext): Controller {
  const { client, clock, config, logger } = context;
  const pods = context.informers.informer<corev1.Pod>(resources.pods);
  const nodes = context.informers.informer<corev1.Node>(resources.nodes);
  const missingSinceMs = new Map<string, number>();
  return makePeriodicLoop(context, {
    name: "gc_pods",
    periodMs: PERIOD_MS,
    caches: [pods, nodes],
    work: async (signal) => {
      const observed = {
        pods: pods.lister.list(),
        nodeNames: new Set(nodes.lister.list().map(objectName)),
        terminatedMax: config.terminatedPodGCThreshold,
      };
      const missing = missingNodes(observed);
      for (const name of missingSinceMs.keys()) if (!missing.has(name)) missingSinceMs.delete(name);
      for (const name of missing) if (!missingSinceMs.has(name)) missingSinceMs.set(name, clock.monotonicMs());
      const goneNodes = new Set(
        [...missingSinceMs].filter(([, sinceMs]) => clock.monotonicMs() - sinceMs >= QUARANTINE_MS).map(([name]) => name),
      );
      for (const { pod, because } of planCollection({ ...observed, goneNodes })) {
        logger.info("Deleting pod that nobody cleans up", { pod: objectName(pod), because });
        const key = { namespace: pod.metadata?.namespace ?? "", name: pod.metadata?.name ?? "" };
        await client.delete(resources.pods, key, { gracePeriodSeconds: 0, ...uidPrecondition(pod), signal }).catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
      }
    },
  });
}
