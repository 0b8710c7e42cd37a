import type { corev1 } from "@lenj/proto/k8s";
import { node, type PodFacts, pod, reasonsOf, snapshotOf } from "../testing/cluster.js";
import { interPodAffinity } from "./inter-pod-affinity/inter-pod-affinity.js";
import { nodeAffinity } from "./node-affinity/node-affinity.js";
import { nodeName } from "./node-name/node-name.js";
import { nodePorts } from "./node-ports/node-ports.js";
import { nodeResourcesFit } from "./node-resources-fit/node-resources-fit.js";
import { nodeUnschedulable } from "./node-unschedulable/node-unschedulable.js";
import { podTopologySpread } from "./pod-topology-spread/pod-topology-spread.js";
import { schedulingGates } from "./scheduling-gates/scheduling-gates.js";
import { taintToleration } from "./taint-toleration/taint-toleration.js";

const placedOf = (of: corev1.Pod): Parameters<NonNullable<typeof nodeResourcesFit.filter>>[0] => ({
  pod: of,
  requests: undefined as never,
  hostPorts: [],
});

describe("NodeResourcesFit", () => {
  const full = node("n", {
    allocatable: { "ephemeral-storage": "1Gi", "example.com/gpu": "1" },
    pods: [pod({ requests: { cpu: "600m", memory: "600Mi", "example.com/gpu": "1" } })],
  });

  it.each<[Record<string, string>, string[]]>([
    [{}, []],
    [{ cpu: "400m", memory: "400Mi" }, []],
    [{ cpu: "401m" }, ["Insufficient cpu"]],
    [{ memory: "401Mi" }, ["Insufficient memory"]],
    [{ "ephemeral-storage": "2Gi" }, ["Insufficient ephemeral-storage"]],
    [{ "example.com/gpu": "1" }, ["Insufficient example.com/gpu"]],
    [{ "example.com/unknown": "1" }, ["Insufficient example.com/unknown"]],
    [{ cpu: "2", memory: "2Gi" }, ["Insufficient cpu", "Insufficient memory"]],
  ])("with requests %j says %j", (requests, reasons) => {
    expect(reasonsOf(nodeResourcesFit, pod({ requests }), snapshotOf([full]))).toEqual(reasons.length === 0 ? {} : { n: reasons });
  });

  it("counts pods, and knows that evicting helps only where the node is large enough", () => {
    const crowded = node("n", { allocatable: { pods: "1" }, pods: [pod()] });
    expect(reasonsOf(nodeResourcesFit, pod(), snapshotOf([crowded]))).toEqual({ n: ["Too many pods"] });
    const isResolvable = (cpu: string): unknown => {
      const wanted = pod({ requests: { cpu } });
      return nodeResourcesFit.filter?.(
        {
          ...placedOf(wanted),
          requests: {
            actual: { milliCPU: Number.parseInt(cpu, 10), memoryBytes: 0, ephemeralBytes: 0, scalars: new Map() },
            scored: { milliCPU: 0, memoryBytes: 0 },
          },
        },
        full,
        undefined,
      )?.isResolvable;
    };
    expect([isResolvable("900"), isResolvable("1100")]).toEqual([true, false]);
  });

  it("asks for the worst of start and run: init containers beside sidecars, and overhead on top", () => {
    const container = (name: string, cpu: string, restartPolicy?: "Always"): corev1.Container => ({
      name,
      resources: { requests: { cpu } },
      ...(restartPolicy && { restartPolicy }),
    });
    const fits = (spec: Partial<corev1.PodSpec>): boolean =>
      Object.keys(reasonsOf(nodeResourcesFit, pod({ spec }), snapshotOf([node("n")]))).length === 0;
    expect(fits({ initContainers: [container("i", "1")], containers: [container("c", "500m")] })).toBe(true);
    expect(fits({ initContainers: [container("s", "600m", "Always")], containers: [container("c", "500m")] })).toBe(false);
    expect(fits({ initContainers: [container("s", "300m", "Always"), container("i", "800m")], containers: [container("c", "500m")] })).toBe(
      false,
    );
    expect(fits({ containers: [container("c", "900m")], overhead: { cpu: "200m" } })).toBe(false);
  });
});

describe("NodeName", () => {
  it("keeps a pod to the node that it names", () => {
    const two = snapshotOf([node("a"), node("b")]);
    expect(reasonsOf(nodeName, pod({ spec: { nodeName: "a" } }), two)).toEqual({ b: ["node(s) didn't match the requested node name"] });
    expect(reasonsOf(nodeName, pod(), two)).toEqual({});
  });
});

describe("NodeUnschedulable", () => {
  it.each<[corev1.Toleration[], boolean]>([
    [[], false],
    [[{ key: "node.kubernetes.io/unschedulable", operator: "Exists", effect: "NoSchedule" }], true],
    [[{ operator: "Exists" }], true],
    [[{ key: "node.kubernetes.io/unschedulable", operator: "Exists", effect: "NoExecute" }], false],
  ])("with tolerations %j lets a pod on a cordoned node: %s", (tolerations, isLet) => {
    const nodes = snapshotOf([node("cordoned", { unschedulable: true }), node("open")]);
    expect(reasonsOf(nodeUnschedulable, pod({ spec: { tolerations } }), nodes)).toEqual(
      isLet ? {} : { cordoned: ["node(s) were unschedulable"] },
    );
  });
});

describe("TaintToleration", () => {
  const taint = (effect: corev1.TaintEffect, value = "v"): corev1.Taint => ({ key: "k", value, effect });

  it.each<[corev1.TaintEffect, corev1.Toleration[], boolean]>([
    ["NoSchedule", [], false],
    ["NoExecute", [], false],
    ["PreferNoSchedule", [], true],
    ["NoSchedule", [{ key: "k", operator: "Equal", value: "v", effect: "NoSchedule" }], true],
    ["NoSchedule", [{ key: "k", value: "v" }], true],
    ["NoSchedule", [{ key: "k", value: "other", effect: "NoSchedule" }], false],
    ["NoSchedule", [{ key: "k", operator: "Exists" }], true],
    ["NoExecute", [{ key: "k", operator: "Exists", effect: "NoSchedule" }], false],
    ["NoExecute", [{ operator: "Exists" }], true],
    ["NoSchedule", [{ key: "other", operator: "Exists" }], false],
  ])("with taint %s and tolerations %j lets the pod in: %s", (effect, tolerations, isLet) => {
    const nodes = snapshotOf([node("n", { taints: [taint(effect)] })]);
    expect(reasonsOf(taintToleration, pod({ spec: { tolerations } }), nodes)).toEqual(
      isLet ? {} : { n: ["node(s) had untolerated taint(s)"] },
    );
  });
});

describe("NodeAffinity", () => {
  const reason = "node(s) didn't match Pod's node affinity/selector";
  const nodes = snapshotOf([
    node("a", { labels: { disk: "ssd", cpus: "8" } }),
    node("b", { labels: { disk: "hdd", cpus: "2" } }),
    node("c"),
  ]);
  const required = (...nodeSelectorTerms: corev1.NodeSelectorTerm[]): PodFacts => ({
    spec: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } },
  });
  const labelled = (key: string, operator: corev1.NodeSelectorOperator, ...values: string[]): corev1.NodeSelectorTerm => ({
    matchExpressions: [{ key, operator, ...(values.length > 0 && { values }) }],
  });

  it.each<[PodFacts, string[]]>([
    [{}, ["a", "b", "c"]],
    [{ spec: { nodeSelector: { disk: "ssd" } } }, ["a"]],
    [{ spec: { nodeSelector: { disk: "ssd", cpus: "2" } } }, []],
    [required(labelled("disk", "In", "ssd", "hdd")), ["a", "b"]],
    [required(labelled("disk", "NotIn", "ssd")), ["b", "c"]],
    [required(labelled("disk", "Exists")), ["a", "b"]],
    [required(labelled("disk", "DoesNotExist")), ["c"]],
    [required(labelled("cpus", "Gt", "4")), ["a"]],
    [required(labelled("cpus", "Lt", "4")), ["b"]],
    [required({ matchFields: [{ key: "metadata.name", operator: "In", values: ["b"] }] }), ["b"]],
    [required(labelled("disk", "In", "ssd"), labelled("disk", "DoesNotExist")), ["a", "c"]],
    [
      required({
        matchExpressions: [...(labelled("disk", "Exists").matchExpressions ?? []), ...(labelled("cpus", "Gt", "4").matchExpressions ?? [])],
      }),
      ["a"],
    ],
    [required({}), []],
    [{ spec: { nodeSelector: { disk: "ssd" }, ...required(labelled("cpus", "Lt", "4")).spec } }, []],
  ])("of %j admits %j", (facts, admitted) => {
    const others = ["a", "b", "c"].filter((name) => !admitted.includes(name));
    expect(reasonsOf(nodeAffinity, pod(facts), nodes)).toEqual(Object.fromEntries(others.map((name) => [name, [reason]])));
  });
});

describe("NodePorts", () => {
  const port = (hostPort: number, about: Partial<corev1.ContainerPort> = {}): corev1.ContainerPort => ({
    containerPort: 80,
    hostPort,
    ...about,
  });

  it.each<[corev1.ContainerPort[], corev1.ContainerPort[], boolean]>([
    [[port(80)], [port(80)], true],
    [[port(80)], [port(81)], false],
    [[port(80)], [port(80, { protocol: "UDP" })], false],
    [[port(80, { hostIP: "10.0.0.1" })], [port(80, { hostIP: "10.0.0.2" })], false],
    [[port(80, { hostIP: "10.0.0.1" })], [port(80, { hostIP: "10.0.0.1" })], true],
    [[port(80, { hostIP: "10.0.0.1" })], [port(80)], true],
    [[port(80)], [port(80, { hostIP: "10.0.0.1" })], true],
    [[{ containerPort: 80 }], [{ containerPort: 80 }], false],
  ])("of %j beside %j conflict: %s", (used, wanted, conflict) => {
    const nodes = snapshotOf([node("n", { pods: [pod({ ports: used })] })]);
    expect(reasonsOf(nodePorts, pod({ ports: wanted }), nodes)).toEqual(
      conflict ? { n: ["node(s) didn't have free ports for the requested pod ports"] } : {},
    );
  });
});

describe("SchedulingGates", () => {
  it("keep a pod out of the queue while there are any", () => {
    expect(schedulingGates.preEnqueue?.(pod({ spec: { schedulingGates: [{ name: "g" }] } }))).toBe(
      "Scheduling is blocked due to non-empty scheduling gates",
    );
    expect(schedulingGates.preEnqueue?.(pod())).toBeUndefined();
  });
});

describe("PodTopologySpread", () => {
  const zone = (name: string, value: string, ...pods: corev1.Pod[]): ReturnType<typeof node> =>
    node(name, { labels: { zone: value }, pods });
  const web = pod({ labels: { app: "web" } });
  const spread = (about: Partial<corev1.TopologySpreadConstraint> = {}): corev1.Pod =>
    pod({
      labels: { app: "web" },
      spec: {
        topologySpreadConstraints: [
          { topologyKey: "zone", maxSkew: 1, whenUnsatisfiable: "DoNotSchedule", labelSelector: { matchLabels: { app: "web" } }, ...about },
        ],
      },
    });
  const reason = ["node(s) didn't match pod topology spread constraints"];

  it("keeps the difference between domains within the skew", () => {
    const nodes = snapshotOf([zone("a", "1", web, web), zone("b", "1"), zone("c", "2", web)]);
    expect(reasonsOf(podTopologySpread, spread(), nodes)).toEqual({ a: reason, b: reason });
    expect(reasonsOf(podTopologySpread, spread({ maxSkew: 2 }), nodes)).toEqual({});
    expect(reasonsOf(podTopologySpread, spread({ whenUnsatisfiable: "ScheduleAnyway" }), nodes)).toEqual({});
  });

  it("needs the key, and as many domains as asked for", () => {
    const nodes = snapshotOf([zone("a", "1", web), node("bare")]);
    expect(reasonsOf(podTopologySpread, spread(), nodes)).toEqual({
      bare: ["node(s) didn't match pod topology spread constraints (missing required label)"],
    });
    expect(reasonsOf(podTopologySpread, spread({ minDomains: 2 }), snapshotOf([zone("a", "1", web)]))).toEqual({ a: reason });
  });

  it("counts neither other namespaces, nor pods that end, nor nodes that the pod cannot use", () => {
    const foreign = pod({ namespace: "other", labels: { app: "web" } });
    const ending: corev1.Pod = { ...web, metadata: { ...web.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
    expect(reasonsOf(podTopologySpread, spread(), snapshotOf([zone("a", "1", foreign, ending), zone("b", "2")]))).toEqual({});
    const selecting: corev1.Pod = { ...spread(), spec: { ...spread().spec, nodeSelector: { zone: "1" } } as corev1.PodSpec };
    expect(reasonsOf(podTopologySpread, selecting, snapshotOf([zone("a", "1", web), zone("b", "2")]))).toEqual({});
  });
});

describe("InterPodAffinity", () => {
  const term = (about: Partial<corev1.PodAffinityTerm> = {}): corev1.PodAffinityTerm => ({
    topologyKey: "zone",
    labelSelector: { matchLabels: { app: "db" } },
    ...about,
  });
  const near = (about?: Partial<corev1.PodAffinityTerm>, labels: Record<string, string> = {}): corev1.Pod =>
    pod({ labels, spec: { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(about)] } } } });
  const far = (about?: Partial<corev1.PodAffinityTerm>, labels: Record<string, string> = {}): corev1.Pod =>
    pod({ labels, spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(about)] } } } });
  const db = pod({ labels: { app: "db" } });
  const zones = (...pods: corev1.Pod[]): ReturnType<typeof snapshotOf> =>
    snapshotOf([node("a", { labels: { zone: "1" }, pods }), node("b", { labels: { zone: "1" } }), node("c", { labels: { zone: "2" } })], {
      other: { team: "x" },
    });
  const [affinity, anti, existing] = [
    ["node(s) didn't match pod affinity rules"],
    ["node(s) didn't match pod anti-affinity rules"],
    ["node(s) didn't satisfy existing pods anti-affinity rules"],
  ];

  it("wants required company in the same domain, unless it is the first of its own kind", () => {
    expect(reasonsOf(interPodAffinity, near(), zones(db))).toEqual({ c: affinity });
    expect(reasonsOf(interPodAffinity, near(), zones())).toEqual({ a: affinity, b: affinity, c: affinity });
    expect(reasonsOf(interPodAffinity, near({}, { app: "db" }), zones())).toEqual({});
  });

  it("keeps away from those it must not be near, and from those that do not want it near", () => {
    expect(reasonsOf(interPodAffinity, far(), zones(db))).toEqual({ a: anti, b: anti });
    expect(reasonsOf(interPodAffinity, db, zones(far()))).toEqual({ a: existing, b: existing });
  });

  it("looks into its own namespace, or into those that the term names or selects", () => {
    const foreign = pod({ namespace: "other", labels: { app: "db" } });
    expect(reasonsOf(interPodAffinity, far(), zones(foreign))).toEqual({});
    expect(reasonsOf(interPodAffinity, far({ namespaces: ["other"] }), zones(foreign))).toEqual({ a: anti, b: anti });
    expect(reasonsOf(interPodAffinity, far({ namespaceSelector: { matchLabels: { team: "x" } } }), zones(foreign))).toEqual({
      a: anti,
      b: anti,
    });
  });
});
