import { type Plugin, scoreMax } from "../../core/framework.js";

/** Prefers nodes whose CPU and memory would be used to the same degree. */
export const nodeResourcesBalancedAllocation: Plugin = {
  name: "NodeResourcesBalancedAllocation",
  weight: 1,
  wakesOn: [],
  // Pods that ask for nothing do not change the balance.
  preScore: ({ requests }) => (requests.actual.milliCPU === 0 && requests.actual.memoryBytes === 0 ? "skip" : undefined),
  score: ({ requests }, node) => {
    const fraction = (allocatable: number, requested: number): number => (allocatable === 0 ? 1 : Math.min(1, requested / allocatable));
    const cpu = fraction(node.allocatable.milliCPU, node.requested.milliCPU + requests.actual.milliCPU);
    const memory = fraction(node.allocatable.memoryBytes, node.requested.memoryBytes + requests.actual.memoryBytes);
    // The standard deviation of two values is half their distance.
    return Math.floor((1 - Math.abs(cpu - memory) / 2) * scoreMax);
  },
};
