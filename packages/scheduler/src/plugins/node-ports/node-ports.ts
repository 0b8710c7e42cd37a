import type { Plugin } from "../../core/framework.js";
import type { HostPort } from "../../core/node-snapshot.js";

/** Two pods of a node cannot have the same host port. */
export const nodePorts: Plugin = {
  name: "NodePorts",
  weight: 0,
  wakesOn: ["NodeAdd", "PodDelete"],
  preFilter: (pod) => (pod.hostPorts.length === 0 ? "skip" : undefined),
  filter: (pod, node) => {
    const isTaken = pod.hostPorts.some((wanted) => node.pods.some((placed) => placed.hostPorts.some((used) => conflicts(wanted, used))));
    return isTaken ? { isResolvable: true, reasons: ["node(s) didn't have free ports for the requested pod ports"] } : undefined;
  },
};

/** The unspecified address overlaps with every other. */
function conflicts(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === "0.0.0.0" || b.ip === "0.0.0.0");
}
