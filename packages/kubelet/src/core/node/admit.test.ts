import type { corev1 } from "@lenj/proto/k8s";
import { container, pod } from "../../testing/pod-fixtures.js";
import { type AdmitInput, admitPod, matchesNodeAffinity, tolerates } from "./admit.js";

const admit = (wanted: corev1.Pod, more: Partial<AdmitInput> = {}): string | undefined => {
  const verdict = admitPod({
    pod: wanted,
    others: [],
    node: { metadata: { name: "n1", labels: { disk: "ssd", cores: "8" } } },
    allocatable: { cpu: 1000, memory: 2 ** 30 },
    maxPods: 2,
    memoryPressure: false,
    diskPressure: false,
    ...more,
  });
  return verdict === undefined ? undefined : `${verdict.reason}: ${verdict.message}`;
};
const cpu = (amount: string): corev1.Pod => pod({ containers: [container("app", { resources: { requests: { cpu: amount } } })] });
const ports = (hostPort: number, more: Partial<corev1.ContainerPort> = {}): corev1.Pod =>
  pod({ containers: [container("app", { ports: [{ containerPort: 80, hostPort, ...more }] })] });
const critical = pod({ priority: 2_000_000_000 });

describe("admitPod", () => {
  it.each<[string, corev1.Pod, Partial<AdmitInput>, string | undefined]>([
    ["what fits", cpu("400m"), { others: [cpu("600m")] }, undefined],
    [
      "not what does not",
      cpu("401m"),
      { others: [cpu("600m")] },
      "OutOfcpu: Node didn't have enough resource: cpu, requested: 401, used: 600, capacity: 1000",
    ],
    [
      "no more pods than it may have",
      pod({}),
      { others: [pod({}), pod({})] },
      "OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 2, capacity: 2",
    ],
    [
      "nobody for another node",
      pod({ nodeSelector: { disk: "hdd" } }),
      {},
      "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    ],
    [
      "nobody past a NoExecute taint",
      pod({}),
      { node: { spec: { taints: [{ key: "k", effect: "NoExecute" }] } } },
      "TaintToleration: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
    ],
    ["past a NoSchedule taint", pod({}), { node: { spec: { taints: [{ key: "k", effect: "NoSchedule" }] } } }, undefined],
    [
      "no port twice",
      ports(80),
      { others: [ports(80)] },
      "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    ],
    ["the port of another protocol", ports(80), { others: [ports(80, { protocol: "UDP" })] }, undefined],
    ["the port of another address", ports(80, { hostIP: "10.0.0.1" }), { others: [ports(80, { hostIP: "10.0.0.2" })] }, undefined],
    [
      "no other system",
      pod({ os: { name: "windows" } }),
      {},
      "PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS",
    ],
  ])("takes %s", (_, wanted, more, verdict) => expect(admit(wanted, more)).toBe(verdict));

  const memory = "Evicted: The node had condition: [MemoryPressure]. ";
  it.each<[string, corev1.Pod, Partial<AdmitInput>, string | undefined]>([
    ["BestEffort", pod({}), { memoryPressure: true }, memory],
    ["Burstable", cpu("1m"), { memoryPressure: true }, undefined],
    ["critical", critical, { memoryPressure: true, diskPressure: true }, undefined],
    [
      "one that tolerates it",
      pod({ tolerations: [{ key: "node.kubernetes.io/memory-pressure", operator: "Exists", effect: "NoSchedule" }] }),
      { memoryPressure: true },
      undefined,
    ],
    [
      "one that tolerates another effect",
      pod({ tolerations: [{ key: "node.kubernetes.io/memory-pressure", operator: "Exists", effect: "NoExecute" }] }),
      { memoryPressure: true },
      memory,
    ],
    ["Burstable on a full disk", cpu("1m"), { diskPressure: true }, "Evicted: The node had condition: [DiskPressure]. "],
  ])("under pressure, %s", (_, wanted, more, verdict) => expect(admit(wanted, more)).toBe(verdict));
});

describe("matchesNodeAffinity", () => {
  const term = (key: string, operator: corev1.NodeSelectorOperator, ...values: string[]): corev1.Pod =>
    pod({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }] },
        },
      },
    });
  const node: corev1.Node = { metadata: { name: "n1", labels: { disk: "ssd", cores: "8" } } };
  it.each<[string, corev1.NodeSelectorOperator, string[], boolean]>([
    ["disk", "In", ["ssd"], true],
    ["disk", "In", ["hdd"], false],
    ["none", "NotIn", ["x"], true],
    ["disk", "NotIn", ["ssd"], false],
    ["disk", "Exists", [], true],
    ["none", "Exists", [], false],
    ["none", "DoesNotExist", [], true],
    ["cores", "Gt", ["4"], true],
    ["cores", "Lt", ["4"], false],
    ["disk", "Gt", ["4"], false],
  ])("%s %s %j: %s", (key, operator, values, matches) => {
    expect(matchesNodeAffinity(term(key, operator, ...values), node)).toBe(matches);
  });
});

describe("tolerates", () => {
  const taint = { key: "k", value: "v", effect: "NoSchedule" } as const;
  it.each<[corev1.Toleration, boolean]>([
    [{ key: "k", operator: "Equal", value: "v", effect: "NoSchedule" }, true],
    [{ key: "k", value: "v" }, true],
    [{ key: "k", value: "w" }, false],
    [{ key: "k", operator: "Exists" }, true],
    [{ operator: "Exists" }, true],
    [{ key: "k", operator: "Exists", effect: "NoExecute" }, false],
    [{ key: "j", operator: "Exists" }, false],
  ])("%j: %s", (toleration, expected) => expect(tolerates(toleration, taint)).toBe(expected));
});
