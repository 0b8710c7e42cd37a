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
      evictions: "allowed",
      now,
    });
    expect(plan).toMatchObject({ taints: [], conditions: undefined, isReady: true });
  });

  it("makes a silent node's conditions Unknown and taints it as unreachable", () => {
    const plan = planNode({ node: node("True"), isSilent: true, evictions: "allowed", now });
    expect(plan.conditions?.map(({ type, status, message }) => [type, status, message])).toContainEqual([
      "Ready",
      "Unknown",
      "Kubelet stopped posting node status.",
    ]);
    expect(keys(plan.taints)).toEqual(["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"]);
  });

  it("changes nothing more about a node that is silent already", () => {
    const silent = planNode({ node: node("True"), isSilent: true, evictions: "allowed", now });
    const again: corev1.Node = {
      metadata: { name: "n1" },
      spec: { taints: [...(silent.taints ?? [])] },
      status: { conditions: [...(silent.conditions ?? [])] },
    };
    expect(planNode({ node: again, isSilent: true, evictions: "allowed", now })).toMatchObject({
      taints: undefined,
      conditions: undefined,
    });
  });

  it("does not evict while every node is down", () => {
    expect(keys(planNode({ node: node("True"), isSilent: true, evictions: "lifted", now }).taints)).toEqual([
      "node.kubernetes.io/unreachable:NoSchedule",
    ]);
  });

  it("waits for its zone's turn before it evicts, and keeps what was decided before", () => {
    const held = planNode({ node: node("Unknown"), isSilent: false, evictions: "held", now });
    expect([held.awaitsEviction, keys(held.taints)]).toEqual([true, ["node.kubernetes.io/unreachable:NoSchedule"]]);
    const evicting = node("False", [
      { key: "node.kubernetes.io/unreachable", effect: "NoSchedule" },
      { key: "node.kubernetes.io/unreachable", effect: "NoExecute" },
    ]);
    const swapped = planNode({ node: evicting, isSilent: false, evictions: "held", now });
    expect([swapped.awaitsEviction, keys(swapped.taints)]).toEqual([
      false,
      ["node.kubernetes.io/not-ready:NoSchedule", "node.kubernetes.io/not-ready:NoExecute"],
    ]);
    expect(keys(planNode({ node: evicting, isSilent: false, evictions: "lifted", now }).taints)).toEqual([
      "node.kubernetes.io/not-ready:NoSchedule",
    ]);
  });

  it.each<[string, "True" | "False" | "Unknown", string]>([
    ["MemoryPressure", "True", "node.kubernetes.io/memory-pressure:NoSchedule"],
    ["DiskPressure", "True", "node.kubernetes.io/disk-pressure:NoSchedule"],
    ["PIDPressure", "True", "node.kubernetes.io/pid-pressure:NoSchedule"],
    ["NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable:NoSchedule"],
  ])("taints for %s %s", (type, status, taint) => {
    const pressed = node("True");
    const conditions = [...(pressed.status?.conditions ?? []).filter((known) => known.type !== type), condition(type, status)];
    expect(keys(planNode({ node: { ...pressed, status: { conditions } }, isSilent: false, evictions: "held", now }).taints)).toEqual([
      taint,
    ]);
  });

  it("taints a cordoned node", () => {
    const cordoned: corev1.Node = { ...node("True"), spec: { unschedulable: true } };
    expect(keys(planNode({ node: cordoned, isSilent: false, evictions: "held", now }).taints)).toEqual([
      "node.kubernetes.io/unschedulable:NoSchedule",
    ]);
  });

  it("leaves taints of others alone", () => {
    const plan = planNode({
      node: node("False", [{ key: "dedicated", value: "db", effect: "NoExecute" }]),
      isSilent: false,
      evictions: "allowed",
      now,
    });
    expect(keys(plan.taints)).toEqual([
      "dedicated:NoExecute",
      "node.kubernetes.io/not-ready:NoSchedule",
      "node.kubernetes.io/not-ready:NoExecute",
    ]);
  });
});
