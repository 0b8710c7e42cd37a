// Node lifecycle: notices nodes that fell silent, by this process's own clock since it last saw them change, and says so on
// the node, on its pods and in taints.
// Source: pkg/controller/nodelifecycle.
import { isConflict, isNotFound, objectName, referenceTo, resources } from "@lenj/client";
import type { coordinationv1, corev1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { readyCondition } from "../../core/pod-state.js";
import { formatTime } from "../../core/time.js";
import { addNodeIndex } from "../../drivers/index-names.js";
import { makeLoop } from "../../drivers/make-loop.js";
import { planNode } from "./plan.js";
import { EvictionLimiter, evictionRate, isAllDisrupted, type Zone, zoneOf, zoneStates } from "./zones.js";

const NODE = { apiVersion: "v1", kind: "Node" };
const POD = { apiVersion: "v1", kind: "Pod" };
const LEASE_NAMESPACE = "kube-node-lease";

const isUp = (node: corev1.Node): boolean =>
  (node.status?.conditions ?? []).some((condition) => condition.type === "Ready" && condition.status === "True");

export function createNodeLifecycleController(context: ControllerContext): Controller {
  const { client, clock, config, logger } = context;
  const nodes = context.informers.informer<corev1.Node>(resources.nodes);
  const leases = context.informers.informer<coordinationv1.Lease>(resources.leases, { namespace: LEASE_NAMESPACE });
  const pods = context.informers.informer<corev1.Pod>(resources.pods);
  const podsOf = addNodeIndex(pods);
  const recorder = context.recorder("node-controller");
  /** When a node's lease or heartbeat was last seen to change; monotonic milliseconds. */
  const heard = new Map<string, { mark: string; atMs: number; graceMs: number }>();

  const listen = (name: string): void => {
    const node = nodes.lister.get(undefined, name);
    if (node === undefined) return;
    const heartbeat = (node.status?.conditions ?? []).find((condition) => condition.type === "Ready")?.lastHeartbeatTime ?? "";
    const mark = `${leases.lister.get(LEASE_NAMESPACE, name)?.spec?.renewTime ?? ""} ${heartbeat}`;
    if (heard.get(name)?.mark === mark) return;
    heard.set(name, {
      mark,
      atMs: clock.monotonicMs(),
      graceMs: heartbeat === "" ? config.nodeStartupGracePeriodMs : config.nodeMonitorGracePeriodMs,
    });
  };

  const limiter = new EvictionLimiter();
  let isAllDown = false;
  const noteDisruption = (isNowAllDown: boolean): void => {
    if (isNowAllDown === isAllDown) return;
    isAllDown = isNowAllDown;
    logger.info(isAllDown ? "Entered disruption of all zones, evicting nothing" : "Left disruption of all zones", {});
    // Whoever was cut off gets the whole grace period to be heard again.
    if (!isAllDown) for (const [name, last] of heard) heard.set(name, { ...last, atMs: clock.monotonicMs() });
  };
  const mayEvict = (node: corev1.Node, zones: ReadonlyMap<string, Zone>): boolean => {
    const zone = zones.get(zoneOf(node));
    return zone !== undefined && limiter.tryTake(zoneOf(node), evictionRate(zone, config), clock.monotonicMs());
  };

  const loop = makeLoop(context, {
    name: "node_lifecycle",
    caches: [nodes, leases, pods],
    reconcile: async (name, signal) => {
      const node = nodes.lister.get(undefined, name);
      if (node === undefined) return;
      listen(name);
      const last = heard.get(name);
      const isSilent = last !== undefined && clock.monotonicMs() - last.atMs > last.graceMs;
      const zones = zoneStates(
        nodes.lister.list().map((other) => ({ node: other, isReady: isUp(other) && !(isSilent && other.metadata?.name === name) })),
        config,
      );
      noteDisruption(isAllDisrupted(zones));
      const observed = { node, isSilent, now: formatTime(clock.wallMs()) };
      let plan = planNode({ ...observed, evictions: isAllDown ? "lifted" : "held" });
      if (plan.awaitsEviction && mayEvict(node, zones)) plan = planNode({ ...observed, evictions: "allowed" });
      if (plan.conditions !== undefined) {
        logger.info("Marking node as silent", { node: name, because: plan.because });
        recorder.event(referenceTo(node, NODE), "Normal", "NodeNotReady", `Node ${name} status is now: NodeNotReady`);
        await client.patch(
          resources.nodes,
          { name },
          { type: "strategic", body: { status: { conditions: plan.conditions } } },
          { subresource: "status", signal },
        );
      }
      if (plan.taints !== undefined) {
        logger.info("Tainting node", {
          node: name,
          taints: plan.taints.map((taint) => `${taint.key}:${taint.effect}`),
          because: plan.because,
        });
        // With the version that the plan was made on: taints are a list that others change, too.
        const fresh = await client.get<corev1.Node>(resources.nodes, { name }, { signal });
        if (JSON.stringify(fresh.spec?.taints) === JSON.stringify(node.spec?.taints))
          await client.update(resources.nodes, { ...fresh, spec: { ...fresh.spec, taints: [...plan.taints] } }, { signal });
        else return { requeueAfterMs: 100 };
      }
      if (!plan.isReady) await markPodsNotReady(name, signal);
      return { requeueAfterMs: config.nodeMonitorPeriodMs };
    },
  });

  async function markPodsNotReady(nodeName: string, signal: AbortSignal): Promise<void> {
    for (const pod of podsOf(nodeName)) {
      const ready = readyCondition(pod);
      if (ready?.status !== "True") continue;
      const condition = { ...ready, status: "False", lastTransitionTime: formatTime(clock.wallMs()) };
      try {
        await client.patch(
          resources.pods,
          { namespace: pod.metadata?.namespace ?? "", name: pod.metadata?.name ?? "" },
          { type: "strategic", body: { status: { conditions: [condition] } } },
          { subresource: "status", signal },
        );
        recorder.event(referenceTo(pod, POD), "Warning", "NodeNotReady", "Node is not ready");
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
    }
  }

  nodes.addHandler({
    onAdd: (node, isInInitialList) => {
      const name = objectName(node);
      if (!isInInitialList)
        recorder.event(referenceTo(node, NODE), "Normal", "RegisteredNode", `Node ${name} event: Registered Node ${name} in Controller`);
      listen(name);
      loop.queue.add(name);
    },
    onUpdate: (_, node) => {
      listen(objectName(node));
      loop.queue.add(objectName(node));
    },
    onDelete: (node) => {
      const name = objectName(node);
      heard.delete(name);
      recorder.event(referenceTo(node, NODE), "Normal", "RemovingNode", `Node ${name} event: Removing Node ${name} from Controller`);
    },
  });
  leases.addHandler({ onAdd: (lease) => listen(lease.metadata?.name ?? ""), onUpdate: (_, lease) => listen(lease.metadata?.name ?? "") });
  return loop;
}
