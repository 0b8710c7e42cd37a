import type { appsv1, corev1 } from "@lenj/proto/k8s";
import { BURST_REPLICAS, planReplicaSet } from "./plan.js";
import { isSameReplicaSetStatus, replicaSetStatus } from "./status.js";

const nowMs = Date.UTC(2026, 0, 1);
const agoText = (seconds: number): string => new Date(nowMs - seconds * 1_000).toISOString();

interface PodFacts {
  readonly node?: string;
  readonly phase?: corev1.PodPhase;
  readonly readyFor?: number;
  readonly cost?: string;
  readonly restarts?: number;
  readonly age?: number;
}

function pod(name: string, { node = "n1", phase = "Running", readyFor = 100, cost, restarts = 0, age = 100 }: PodFacts = {}): corev1.Pod {
  const isReady = readyFor >= 0;
  return {
    metadata: {
      name,
      uid: name,
      creationTimestamp: agoText(age),
      labels: { app: "web" },
      annotations: cost === undefined ? {} : { "controller.kubernetes.io/pod-deletion-cost": cost },
    },
    spec: { nodeName: node, containers: [] },
    status: {
      phase,
      conditions: [{ type: "Ready", status: isReady ? "True" : "False", lastTransitionTime: agoText(Math.max(0, readyFor)) }],
      containerStatuses: [{ name: "c", restartCount: restarts } as corev1.ContainerStatus],
    },
  };
}

const replicaSet = (replicas?: number, spec: Partial<appsv1.ReplicaSetSpec> = {}): appsv1.ReplicaSet => ({
  metadata: { name: "rs", generation: 4 },
  spec: {
    ...(replicas !== undefined && { replicas }),
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web", tier: "x" } } },
    ...spec,
  } as appsv1.ReplicaSetSpec,
});

const plan = (replicas: number | undefined, pods: corev1.Pod[], related: [string, number][] = []): ReturnType<typeof planReplicaSet> =>
  planReplicaSet({ replicaSet: replicaSet(replicas), activePods: pods, relatedPodsByNode: new Map(related), nowMs });

describe("planReplicaSet()", () => {
  it("makes what is missing, up to a burst, and says why", () => {
    expect(plan(3, [pod("a")])).toEqual({ verb: "createPods", count: 2, because: "1 pods, spec.replicas is 3" });
    expect(plan(undefined, [])).toMatchObject({ verb: "createPods", count: 1 });
    expect(plan(2_000, [])).toMatchObject({ verb: "createPods", count: BURST_REPLICAS });
    expect(plan(1, [pod("a")])).toBeUndefined();
    expect(plan(0, [pod("a"), pod("b")])).toMatchObject({
      verb: "deletePods",
      pods: [{ metadata: { name: "a" } }, { metadata: { name: "b" } }],
    });
  });

  it.each<[string, PodFacts, PodFacts]>([
    ["without a node", { node: "" }, {}],
    ["pending", { phase: "Pending" }, { phase: "Running" }],
    ["of unknown phase", { phase: "Unknown" }, { phase: "Running" }],
    ["not ready", { readyFor: -1 }, {}],
    ["cheaper", { cost: "-5" }, { cost: "0" }],
    ["on the more crowded node", { node: "crowded" }, { node: "n1" }],
    ["ready for a shorter time", { readyFor: 2 }, { readyFor: 4_000 }],
    ["restarted more often", { restarts: 3 }, { restarts: 1 }],
    ["younger", { age: 2 }, { age: 4_000 }],
  ])("deletes the pod first that is %s", (_what, first, second) => {
    const crowd: [string, number][] = [
      ["crowded", 3],
      ["n1", 1],
    ];
    for (const pods of [
      [pod("b-first", first), pod("a-second", second)],
      [pod("a-second", second), pod("b-first", first)],
    ])
      expect(plan(1, pods, crowd)).toMatchObject({ verb: "deletePods", pods: [{ metadata: { name: "b-first" } }] });
  });

  it("takes an invalid deletion cost for none", () => {
    expect(plan(1, [pod("b", { cost: "+1" }), pod("a", { cost: "007" })])).toMatchObject({ pods: [{ metadata: { name: "a" } }] });
  });
});

describe("replicaSetStatus()", () => {
  const input = {
    replicaSet: replicaSet(3, { minReadySeconds: 10 }),
    activePods: [pod("available", { readyFor: 10 }), pod("ready", { readyFor: 9 }), pod("not-ready", { readyFor: -1 })],
    terminatingPods: [pod("going")],
    failure: undefined,
    nowMs,
  };

  it("counts pods by what they have come to", () => {
    const labelled = { ...pod("l"), metadata: { ...pod("l").metadata, labels: { app: "web", tier: "x" } } };
    expect(replicaSetStatus({ ...input, activePods: [...input.activePods, labelled] })).toEqual({
      replicas: 4,
      fullyLabeledReplicas: 1,
      readyReplicas: 3,
      availableReplicas: 2,
      terminatingReplicas: 1,
      observedGeneration: 4,
    });
  });

  it("reports a failure, keeps its time while it lasts, and takes it back", () => {
    const failure = { reason: "FailedCreate", message: "quota" } as const;
    const failed = replicaSetStatus({ ...input, failure });
    expect(failed.conditions).toEqual([{ type: "ReplicaFailure", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z", ...failure }]);
    const later = { ...input, replicaSet: { ...input.replicaSet, status: failed }, nowMs: nowMs + 60_000 };
    expect(replicaSetStatus({ ...later, failure }).conditions).toEqual(failed.conditions);
    expect(replicaSetStatus(later).conditions).toBeUndefined();
  });

  it("is the same whether zero counters are there or not", () => {
    expect(isSameReplicaSetStatus({ replicas: 0 }, { replicas: 0, readyReplicas: 0 })).toBe(true);
    expect(isSameReplicaSetStatus(undefined, { replicas: 1 })).toBe(false);
  });
});
