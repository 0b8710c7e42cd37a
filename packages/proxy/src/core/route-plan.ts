// Routes that let any pod reach any pod: each other node's pod range through that node. Pure.
import type { corev1 } from "@lenj/proto/k8s";

/** Gateway (a node's address) by destination (a pod range). */
export type RouteSet = ReadonlyMap<string, string>;

export function planRoutes(nodes: readonly corev1.Node[], ownName: string): RouteSet {
  const routes = new Map<string, string>();
  for (const node of nodes) {
    if (node.metadata?.name === ownName) continue;
    const gateway = nodeInternalIP(node);
    for (const podCIDR of node.spec?.podCIDRs ?? (node.spec?.podCIDR === undefined ? [] : [node.spec.podCIDR])) {
      if (gateway !== undefined && podCIDR !== "" && !podCIDR.includes(":")) routes.set(podCIDR, gateway);
    }
  }
  return routes;
}

export function nodeInternalIP(node: corev1.Node): string | undefined {
  return (node.status?.addresses ?? []).find((address) => address.type === "InternalIP" && !address.address?.includes(":"))?.address;
}

/** Lines for `ip -batch`; empty when nothing changed. */
export function formatRouteChanges(installed: RouteSet, desired: RouteSet): string {
  const gone = [...installed.keys()]
    .filter((destination) => !desired.has(destination))
    .map((destination) => `route del ${destination} proto ${routeProtocol}`);
  const changed = [...desired]
    .filter(([destination, gateway]) => installed.get(destination) !== gateway)
    .map(([destination, gateway]) => `route replace ${destination} via ${gateway} proto ${routeProtocol}`);
  return [...gone, ...changed].map((line) => `${line}\n`).join("");
}

/** Marks the routes as the proxy's, so that a restarted one can tell its own (numbers above 127 are free for use). */
export const routeProtocol = 188;
