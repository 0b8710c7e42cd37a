import type { corev1 } from "@lenj/proto/k8s";
import { node, pod, scoresOf, snapshotOf } from "../testing/cluster.js";
import { imageLocality } from "./image-locality/image-locality.js";
import { interPodAffinity } from "./inter-pod-affinity/inter-pod-affinity.js";
import { nodeAffinity } from "./node-affinity/node-affinity.js";
import { nodeResourcesBalancedAllocation } from "./node-resources-balanced-allocation/node-resources-balanced-allocation.js";
import { nodeResourcesFit } from "./node-resources-fit/node-resources-fit.js";
import { podTopologySpread } from "./pod-topology-spread/pod-topology-spread.js";
import { taintToleration } from "./taint-toleration/taint-toleration.js";

const mebibyte = 1024 * 1024;

describe("NodeResourcesFit (LeastAllocated)", () => {
  it("is the mean share of CPU and memory that stays free", () => {
    const nodes = snapshotOf([
      node("empty"),
      node("half", { pods: [pod({ requests: { cpu: "500m", memory: "500Mi" } })] }),
      node("small", { allocatable: { cpu: "100m" } }),
    ]);
    expect(scoresOf(nodeResourcesFit, pod({ requests: { cpu: "250m", memory: "500Mi" } }), nodes)).toEqual({
      empty: 62,
      half: 12,
      small: 25,
    });
  });

  it("takes 100m and 200Mi for containers that ask for nothing, so that they spread too", () => {
    expect(scoresOf(nodeResourcesFit, pod(), snapshotOf([node("empty"), node("one", { pods: [pod()] })]))).toEqual({ empty: 85, one: 70 });
  });
});

describe("NodeResourcesBalancedAllocation", () => {
  it("is highest where CPU and memory would be used alike", () => {
    const nodes = snapshotOf([
      node("n"),
      node("cpu-heavy", { pods: [pod({ requests: { cpu: "500m" } })] }),
      node("memory-heavy", { pods: [pod({ requests: { memory: "250Mi" } })] }),
    ]);
    expect(scoresOf(nodeResourcesBalancedAllocation, pod({ requests: { cpu: "250m", memory: "500Mi" } }), nodes)).toEqual({
      n: 87,
      "cpu-heavy": 87,
      "memory-heavy": 75,
    });
  });

  it("says nothing about pods that ask for nothing", () => {
    expect(scoresOf(nodeResourcesBalancedAllocation, pod(), snapshotOf([node("n")]))).toBe("skip");
  });
});

describe("TaintToleration", () => {
  it("prefers nodes with fewer soft taints that the pod does not tolerate", () => {
    const soft = (key: string): corev1.Taint => ({ key, effect: "PreferNoSchedule" });
    const nodes = snapshotOf([
      node("none"),
      node("one", { taints: [soft("a")] }),
      node("two", { taints: [soft("b"), soft("c")] }),
      node("hard", { taints: [{ key: "d", effect: "NoSchedule" }] }),
    ]);
    expect(scoresOf(taintToleration, pod(), nodes)).toEqual({ none: 100, one: 50, two: 0, hard: 100 });
    const tolerations: corev1.Toleration[] = [
      { key: "b", operator: "Exists" },
      { key: "c", operator: "Exists", effect: "PreferNoSchedule" },
    ];
    expect(scoresOf(taintToleration, pod({ spec: { tolerations } }), nodes)).toEqual({ none: 100, one: 0, two: 100, hard: 100 });
  });
});

describe("ImageLocality", () => {
  const nodes = snapshotOf([
    node("both", { images: { "registry/app:v1": 500 * mebibyte, "registry/side:latest": 2_000 * mebibyte } }),
    node("app", { images: { "registry/app:v1": 500 * mebibyte } }),
    node("none"),
    node("tiny", { images: { "registry/tiny:v1": 10 * mebibyte } }),
  ]);

  it("counts the images that are there, less the fewer nodes have them", () => {
    // 500 MiB on two nodes of four count as 250; between 23 MiB and 1000 MiB a container.
    expect(scoresOf(imageLocality, pod({ image: "registry/app:v1" }), nodes)).toEqual({ both: 23, app: 23, none: 0, tiny: 0 });
    expect(scoresOf(imageLocality, pod({ image: "registry/side" }), nodes)).toEqual({ both: 48, app: 0, none: 0, tiny: 0 });
    expect(scoresOf(imageLocality, pod({ image: "registry/tiny:v1" }), nodes)).toEqual({ both: 0, app: 0, none: 0, tiny: 0 });
  });
});

describe("NodeAffinity", () => {
  it("adds the weights of the preferences that a node meets, by share of the best", () => {
    const prefer = (weight: number, key: string): corev1.PreferredSchedulingTerm => ({
      weight,
      preference: { matchExpressions: [{ key, operator: "Exists" }] },
    });
    const spec: Partial<corev1.PodSpec> = {
      affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [prefer(30, "ssd"), prefer(10, "gpu")] } },
    };
    const nodes = snapshotOf([node("both", { labels: { ssd: "", gpu: "" } }), node("ssd", { labels: { ssd: "" } }), node("none")]);
    expect(scoresOf(nodeAffinity, pod({ spec }), nodes)).toEqual({ both: 100, ssd: 75, none: 0 });
    expect(scoresOf(nodeAffinity, pod(), nodes)).toBe("skip");
  });
});

describe("PodTopologySpread", () => {
  const owned: corev1.Pod = {
    ...pod({ labels: { app: "web" } }),
    metadata: {
      name: "p",
      namespace: "default",
      labels: { app: "web" },
      ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: "u", controller: true }],
    },
  };

  it("prefers hosts with fewer pods of the same workload, also when the pod asks for nothing", () => {
    const nodes = snapshotOf([node("two", { pods: [owned, owned] }), node("one", { pods: [owned] }), node("none")]);
    const scores = scoresOf(podTopologySpread, owned, nodes) as Record<string, number>;
    expect(scores["none"]).toBe(100);
    expect(scores["one"]).toBeLessThan(scores["none"] as number);
    expect(scores["two"]).toBeLessThan(scores["one"] as number);
    expect(scoresOf(podTopologySpread, pod({ labels: { app: "web" } }), nodes)).toBe("skip");
  });

  it("follows the constraints of the pod where there are any", () => {
    const about = pod({
      labels: { app: "web" },
      spec: {
        topologySpreadConstraints: [
          { topologyKey: "zone", maxSkew: 1, whenUnsatisfiable: "ScheduleAnyway", labelSelector: { matchLabels: { app: "web" } } },
        ],
      },
    });
    const nodes = snapshotOf([
      node("a", { labels: { zone: "1" }, pods: [owned, owned, owned] }),
      node("b", { labels: { zone: "1" } }),
      node("c", { labels: { zone: "2" } }),
    ]);
    const scores = scoresOf(podTopologySpread, about, nodes) as Record<string, number>;
    expect(scores["c"]).toBe(100);
    expect([scores["a"], scores["b"]]).toEqual([0, 0]);
  });
});

describe("InterPodAffinity", () => {
  const term = (weight: number): corev1.WeightedPodAffinityTerm => ({
    weight,
    podAffinityTerm: { topologyKey: "zone", labelSelector: { matchLabels: { app: "db" } } },
  });
  const nodes = (pods: corev1.Pod[]): ReturnType<typeof snapshotOf> =>
    snapshotOf([node("a", { labels: { zone: "1" }, pods }), node("b", { labels: { zone: "2" } })]);

  it("prefers the domains of those that it likes, and avoids those of the others", () => {
    const db = pod({ labels: { app: "db" } });
    const liking = pod({ spec: { affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [term(5)] } } } });
    const disliking = pod({ spec: { affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [term(5)] } } } });
    expect(scoresOf(interPodAffinity, liking, nodes([db]))).toEqual({ a: 100, b: 0 });
    expect(scoresOf(interPodAffinity, disliking, nodes([db]))).toEqual({ a: 0, b: 100 });
    expect(scoresOf(interPodAffinity, db, nodes([liking]))).toEqual({ a: 100, b: 0 });
    expect(scoresOf(interPodAffinity, pod(), nodes([db]))).toBe("skip");
  });
});
