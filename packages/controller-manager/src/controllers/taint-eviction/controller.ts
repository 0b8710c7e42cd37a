// Taint eviction: deletes pods from nodes whose NoExecute taints they do not tolerate, or no longer.
import { isNotFound, objectName, parseObjectName, referenceTo, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { isSameJSON } from "../../core/canonical-json.js";
import { formatTime } from "../../core/time.js";
import { addNodeIndex } from "../../drivers/index-names.js";
import { makeLoop } from "../../drivers/make-loop.js";
import { uidPrecondition } from "../../drivers/pod-control.js";
import { planEviction } from "./plan.js";

const POD = { apiVersion: "v1", kind: "Pod" };

export function createTaintEvictionController(context: ControllerContext): Controller {
  const { client, clock, logger } = context;
  const nodes = context.informers.informer<corev1.Node>(resources.nodes);
  const pods = context.informers.informer<corev1.Pod>(resources.pods);
  const podsOf = addNodeIndex(pods);
  const recorder = context.recorder("taint-eviction-controller");
  const loop = makeLoop(context, {
    name: "taint_eviction",
    workers: 4,
    caches: [nodes, pods],
    reconcile: async (key, signal) => {
      const pod = pods.lister.getByKey(key);
      const nodeName = pod?.spec?.nodeName;
      if (pod === undefined || !nodeName || pod.metadata?.deletionTimestamp !== undefined) return;
      const dueInMs = planEviction(pod.spec?.tolerations ?? [], nodes.lister.get(undefined, nodeName)?.spec?.taints ?? [], clock.wallMs());
      if (dueInMs === undefined) return;
      if (dueInMs > 0) return { requeueAfterMs: dueInMs };
      logger.info("Evicting pod from tainted node", { pod: key, node: nodeName });
      recorder.event(referenceTo(pod, POD), "Normal", "TaintManagerEviction", `Marking for deletion Pod ${key}`);
      const { namespace, name } = parseObjectName(key);
      const objectKey = { namespace: namespace ?? "", name };
      const condition = {
        type: "DisruptionTarget",
        status: "True",
        reason: "DeletionByTaintManager",
        message: "Taint manager: deleting due to NoExecute taint",
        lastTransitionTime: formatTime(clock.wallMs()),
      };
      try {
        await client.patch(
          resources.pods,
          objectKey,
          { type: "strategic", body: { status: { conditions: [condition] } } },
          { subresource: "status", signal },
        );
        await client.delete(resources.pods, objectKey, { ...uidPrecondition(pod), signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      return;
    },
  });
  const enqueue = (pod: corev1.Pod): void => {
    if (pod.spec?.nodeName) loop.queue.add(objectName(pod));
  };
  pods.addHandler({
    onAdd: enqueue,
    onUpdate: (before, pod) => {
      if (before.spec?.nodeName !== pod.spec?.nodeName || !isSameJSON(before.spec?.tolerations, pod.spec?.tolerations)) enqueue(pod);
    },
  });
  nodes.addHandler({
    onAdd: (node) => podsOf(objectName(node)).forEach(enqueue),
    onUpdate: (before, node) => {
      if (!isSameJSON(before.spec?.taints, node.spec?.taints)) podsOf(objectName(node)).forEach(enqueue);
    },
  });
  return loop;
}
