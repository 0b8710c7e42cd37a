import { type Plugin, scoreMax } from "../../core/framework.js";

/** The node has what the pod asks for; among those that do, the emptier one is better (LeastAllocated). */
export const nodeResourcesFit: Plugin = {
  name: "NodeResourcesFit",
  weight: 1,
  wakesOn: ["NodeAdd", "NodeAllocatable", "PodDelete", "PodUpdate"],
  filter: ({ requests }, node) => {
    const wanted = requests.actual;
    const reasons: string[] = [];
    let isResolvable = true;
    const check = (label: string, amount: number, allocatable: number, requested: number): void => {
      if (amount <= 0 || amount <= allocatable - requested) return;
      reasons.push(`Insufficient ${label}`);
      // More than the whole node: evicting everything would not help.
      if (amount > allocatable) isResolvable = false;
    };
    if (node.pods.length + 1 > node.allocatablePods) reasons.push("Too many pods");
    check("cpu", wanted.milliCPU, node.allocatable.milliCPU, node.requested.milliCPU);
    check("memory", wanted.memoryBytes, node.allocatable.memoryBytes, node.requested.memoryBytes);
    check("ephemeral-storage", wanted.ephemeralBytes, node.allocatable.ephemeralBytes, node.requested.ephemeralBytes);
    for (const [name, amount] of wanted.scalars)
      check(name, amount, node.allocatable.scalars.get(name) ?? 0, node.requested.scalars.get(name) ?? 0);
    return reasons.length === 0 ? undefined : { isResolvable, reasons };
  },
  score: ({ requests }, node) => {
    const free = (allocatable: number, requested: number): number =>
      allocatable === 0 || requested > allocatable ? 0 : Math.floor(((allocatable - requested) * scoreMax) / allocatable);
    const cpu = free(node.allocatable.milliCPU, node.scored.milliCPU + requests.scored.milliCPU);
    const memory = free(node.allocatable.memoryBytes, node.scored.memoryBytes + requests.scored.memoryBytes);
    return Math.floor((cpu + memory) / 2);
  },
};
