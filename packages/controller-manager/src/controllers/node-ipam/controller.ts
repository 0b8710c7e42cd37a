// Node IPAM controller: gives every node its part of the cluster's pod address range.
//
// IP1. No two nodes have the same range: what existing nodes have is marked before the first allocation, and one worker allocates.
// IP2. A range given to a node is never changed; it is free again when the node is gone.
// IP3. What was meant for a node stays with it until it has a range: a write whose answer was lost may have taken effect.
// Source: pkg/controller/nodeipam/ipam/range_allocator.go.
import { referenceTo, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { makeLoop } from "../../drivers/make-loop.js";
import { CIDRSet } from "./cidr-set.js";

export function createNodeIPAMController(context: ControllerContext): Controller {
  const { config } = context;
  const sets = config.clusterCIDRs.map(
    (cidr) => new CIDRSet(cidr, cidr.includes(":") ? config.nodeCIDRMaskSizeIPv6 : config.nodeCIDRMaskSize),
  );
  const nodes = context.informers.informer<corev1.Node>(resources.nodes);
  const recorder = context.recorder("cidrAllocator");
  const rangesOf = (node: corev1.Node): readonly string[] =>
    node.spec?.podCIDRs ?? (node.spec?.podCIDR === undefined || node.spec.podCIDR === "" ? [] : [node.spec.podCIDR]);
  const occupy = (node: corev1.Node): void => rangesOf(node).forEach((range) => sets.forEach((set) => set.occupy(range)));
  /** Ranges meant for nodes that have none yet, by node. */
  const meant = new Map<string, readonly string[]>();
  const release = (ranges: readonly string[]): void => ranges.forEach((range) => sets.forEach((set) => set.release(range)));
  /** Undefined: a set has nothing left. */
  const allocate = (): readonly string[] | undefined => {
    const ranges = sets.flatMap((set) => set.allocate() ?? []);
    if (ranges.length === sets.length) return ranges;
    release(ranges);
    return undefined;
  };
  const settle = (node: corev1.Node): void => {
    const ranges = rangesOf(node);
    if (ranges.length === 0) return;
    const name = node.metadata?.name ?? "";
    release((meant.get(name) ?? []).filter((range) => !ranges.includes(range)));
    meant.delete(name);
    occupy(node);
  };
  const loop = makeLoop(context, {
    name: "node_ipam",
    caches: [nodes],
    reconcile: async (name, signal) => {
      const node = nodes.lister.getByKey(name);
      if (node === undefined || node.metadata?.deletionTimestamp !== undefined || rangesOf(node).length > 0) return;
      const ranges = meant.get(name) ?? allocate();
      if (ranges === undefined) {
        recorder.event(
          referenceTo(node, { apiVersion: "v1", kind: "Node" }),
          "Normal",
          "CIDRNotAvailable",
          `Node ${name} status is now: CIDRNotAvailable`,
        );
        throw new Error(
          "failed to allocate cidr: CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range",
        );
      }
      meant.set(name, ranges);
      const body = { metadata: { resourceVersion: node.metadata?.resourceVersion }, spec: { podCIDR: ranges[0], podCIDRs: ranges } };
      await context.client.patch(resources.nodes, { name }, { type: "merge", body }, { signal });
    },
  });
  nodes.addHandler({
    onAdd: (node) => {
      settle(node);
      loop.queue.add(node.metadata?.name ?? "");
    },
    onUpdate: (_, node) => {
      settle(node);
      if (rangesOf(node).length === 0) loop.queue.add(node.metadata?.name ?? "");
    },
    onDelete: (node) => {
      const name = node.metadata?.name ?? "";
      release([...rangesOf(node), ...(meant.get(name) ?? [])]);
      meant.delete(name);
    },
  });
  return loop;
}
