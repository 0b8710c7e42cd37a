import type { corev1 } from "@lenj/proto/k8s";
import { planNode } from "./plan.js";

const now = "2026-01-01T00:00:00Z";
const condition = (type: string, status: "True" | "False" | "Unknown"): corev1.NodeCondition => ({
  type,
  status,
  lastHeartbeatTime: now,
  lastTransitionTime: "2025-01-01T00:00:00Z",
});
const node = (ready: "True" | "False" | "Unknown", taints: corev1.Taint[] = []): corev1.Node => ({
  metadata: { name: "n1" },
  spec: { taints },
  status: {
    conditions: [
      condition("MemoryPressure", "False"),
      condition("DiskPressure", "False"),
      condition("PIDPressure", "False"),
      condition("Ready", ready),
    ],
  },
});
const keys = (taints: readonly corev1.Taint[] | undefined): string[] => (taints ?? []).map((taint) => `${taint.key}:${taint.effect}`);

describe("planNode()", () => {
  it("takes the taints of a new node away once it is Ready", () => {
    const plan = planNode({
      node: node("True", [{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" }]),
      isSilent: false,
      allDown: false,
      now,
    });
    expect(plan).toMatchObject({ taints: [], conditions: undefined, isReady: true });
  });

  it("makes a silent node's conditions Unknown and taints it as unreachable", () => {
    const plan = planNode({ node: node("True"), isSilent: true, allDown: false, now });
    expect(plan.conditions?.map(({ type, status, message }) => [type, status, message])).toContainEqual([
      "Ready",
      "Unknown",
      "Kubelet stopped posting node status.",
    ]);
    expect(keys(plan.taints)).toEqual(["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"]);
  });

  it("changes nothing more about a node that is silent already", () => {
    const silent = planNode({ node: node("True"), isSilent: true, allDown: false, now });
    const again: corev1.Node = {
      metadata: { name: "n1" },
      spec: { taints: [...(silent.taints ?? [])] },
      status: { conditions: [...(silent.conditions ?? [])] },
    };
    expect(planNode({ node: again, isSilent: true, allDown: false, now })).toMatchObject({ taints: undefined, conditions: undefined });
  });

  it("does not evict while every node is down", () => {
    expect(keys(planNode({ node: node("True"), isSilent: true, allDown: true, now }).taints)).toEqual([
      "node.kubernetes.io/unreachable:NoSchedule",
    ]);
  });

  it("leaves taints of others alone", () => {
    const plan = planNode({
      node: node("False", [{ key: "dedicated", value: "db", effect: "NoExecute" }]),
      isSilent: false,
      allDown: false,
      now,
    });
    expect(keys(plan.taints)).toEqual([
      "dedicated:NoExecute",
      "node.kubernetes.io/not-ready:NoSchedule",
      "node.kubernetes.io/not-ready:NoExecute",
    ]);
  });
});
