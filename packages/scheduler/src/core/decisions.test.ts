import { SeededRandom } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import { defaultPlugins } from "../plugins/index.js";
import { node, pod, snapshotOf } from "../testing/cluster.js";
import { schedulePod } from "./cycle.js";
import { formatFitMessage, formatPreemptionMessage } from "./fit-message.js";
import { type NodeSnapshot, placePod } from "./node-snapshot.js";
import { planPreemption, preemptionObstacle } from "./preemption.js";

function decide(about: corev1.Pod, snapshot: NodeSnapshot): ReturnType<typeof schedulePod> {
  return schedulePod(placePod(about), snapshot, defaultPlugins, { random: new SeededRandom(1), startOffset: 0 });
}

/** The text of the FailedScheduling event, as the loop puts it together. */
function failure(about: corev1.Pod, snapshot: NodeSnapshot): string {
  const decision = decide(about, snapshot);
  if (decision.outcome === "placed") return `placed on ${decision.node}`;
  const { rejections } = decision;
  const obstacle = preemptionObstacle(about, false);
  const plan = obstacle === undefined ? planPreemption(placePod(about), snapshot, rejections, defaultPlugins) : undefined;
  const unhelpful = plan === undefined ? (obstacle ?? formatPreemptionMessage(snapshot.nodes.length, rejections)) : undefined;
  return formatFitMessage(snapshot.nodes.length, rejections, unhelpful);
}

describe("schedulePod()", () => {
  it("takes the emptier of equal nodes, and the only one that fits whatever its score", () => {
    const busy = [pod({ requests: { cpu: "500m", memory: "500Mi" } })];
    expect(
      decide(pod({ requests: { cpu: "100m", memory: "100Mi" } }), snapshotOf([node("busy", { pods: busy }), node("idle")])),
    ).toMatchObject({ outcome: "placed", node: "idle", feasible: 2 });
    expect(
      decide(
        pod({ spec: { nodeSelector: { "kubernetes.io/hostname": "busy" } } }),
        snapshotOf([node("busy", { pods: busy }), node("idle")]),
      ),
    ).toMatchObject({ node: "busy", feasible: 1 });
  });

  it("looks at no more nodes than it needs in a large cluster, and goes on where it stopped", () => {
    const nodes = Array.from({ length: 300 }, (_, number) => node(`n${String(number).padStart(3, "0")}`));
    const decision = schedulePod(placePod(pod()), snapshotOf(nodes), defaultPlugins, { random: new SeededRandom(1), startOffset: 250 });
    expect(decision).toMatchObject({ outcome: "placed", evaluated: 144, feasible: 144 });
  });
});

describe("FailedScheduling", () => {
  it("counts the reasons of all nodes, sorted as text", () => {
    const nodes = snapshotOf([
      node("small", { allocatable: { cpu: "100m" } }),
      node("tainted-1", { taints: [{ key: "k", effect: "NoSchedule" }] }),
      node("tainted-2", { taints: [{ key: "k", effect: "NoExecute" }] }),
      node("cordoned", { unschedulable: true }),
    ]);
    expect(failure(pod({ requests: { cpu: "500m" } }), nodes)).toBe(
      "0/4 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable, 2 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.",
    );
  });

  it("tells where evicting could have helped but there was nobody to evict", () => {
    const nodes = snapshotOf([
      node("full", { pods: [pod({ name: "other", requests: { cpu: "800m" } })] }),
      node("cordoned", { unschedulable: true }),
    ]);
    expect(failure(pod({ requests: { cpu: "500m", memory: "2Gi" } }), nodes)).toContain(
      "1 Insufficient cpu, 1 Insufficient memory, 1 node(s) were unschedulable.",
    );
    expect(failure(pod({ requests: { cpu: "500m" } }), nodes)).toBe(
      "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.",
    );
  });

  it("says nothing of preemption when it helps, and why the pod may not when it may not", () => {
    const nodes = snapshotOf([node("full", { pods: [pod({ name: "low", requests: { cpu: "800m" } })] })]);
    expect(failure(pod({ priority: 10, requests: { cpu: "500m" } }), nodes)).toBe("0/1 nodes are available: 1 Insufficient cpu.");
    expect(failure(pod({ priority: 10, requests: { cpu: "500m" }, spec: { preemptionPolicy: "Never" } }), nodes)).toBe(
      "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.",
    );
    expect(preemptionObstacle(pod(), true)).toBe("not eligible due to a terminating pod on the nominated node.");
  });

  it("has words of its own where there are no nodes", () => {
    expect(failure(pod(), snapshotOf([]))).toBe("no nodes available to schedule pods");
  });
});

describe("planPreemption()", () => {
  const plan = (about: corev1.Pod, snapshot: NodeSnapshot): { node: string; victims: (string | undefined)[] } | undefined => {
    const decision = decide(about, snapshot);
    if (decision.outcome === "placed") throw new Error("needs no preemption");
    const found = planPreemption(placePod(about), snapshot, decision.rejections, defaultPlugins);
    return found && { node: found.node, victims: found.victims.map(({ metadata }) => metadata?.name) };
  };
  const using = (name: string, cpu: string, priority = 0): corev1.Pod => pod({ name, priority, requests: { cpu } });

  it("evicts the least important, and no more than needed", () => {
    const nodes = snapshotOf([node("n", { pods: [using("a", "300m", 1), using("b", "300m", 2), using("c", "300m", 3)] })]);
    expect(plan(using("new", "300m", 10), nodes)).toEqual({ node: "n", victims: ["a"] });
  });

  it("prefers the node whose victims matter least", () => {
    const nodes = snapshotOf([node("x", { pods: [using("high", "1", 5)] }), node("y", { pods: [using("low", "1", 1)] })]);
    expect(plan(using("new", "500m", 10), nodes)).toEqual({ node: "y", victims: ["low"] });
  });

  it("spares equals, and nodes that would not take the pod anyway", () => {
    expect(plan(using("new", "500m", 5), snapshotOf([node("n", { pods: [using("equal", "1", 5)] })]))).toBeUndefined();
    expect(plan(using("new", "500m", 5), snapshotOf([node("n", { unschedulable: true, pods: [using("low", "1")] })]))).toBeUndefined();
  });
});
