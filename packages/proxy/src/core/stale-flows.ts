// Which UDP flows the kernel must forget when endpoints change. Pure.
import type { ServicePort } from "./service-map.js";

export interface StaleFlow {
  readonly serviceIP: string;
  readonly port: number;
  readonly endpointIP: string;
}

/** Flows to endpoints that served a UDP port before and no longer do. */
export function planStaleFlows(before: readonly ServicePort[], after: readonly ServicePort[]): StaleFlow[] {
  const now = new Map(after.map((port) => [port.name, new Set(port.clusterEndpoints.map((endpoint) => endpoint.ip))]));
  return before
    .filter((port) => port.protocol === "udp")
    .flatMap((port) =>
      port.clusterEndpoints
        .filter((endpoint) => now.get(port.name)?.has(endpoint.ip) !== true)
        .flatMap((endpoint) => port.clusterIPs.map((serviceIP) => ({ serviceIP, port: port.port, endpointIP: endpoint.ip }))),
    );
}
