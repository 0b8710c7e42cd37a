// Quality of service, pod totals and cgroup settings, after upstream's qos, resource helpers and helpers_linux.
import type { corev1 } from "@lenj/proto/k8s";
import { container, pod } from "../../testing/pod-fixtures.js";
import { formatKi, formatMilliCPU, milliUnits, parseAmount, wholeUnits } from "./amount.js";
import { containerSettings, oomScoreAdj, podSettings, quotaOf, sharesOf, weightOf } from "./cgroup.js";
import { podCgroup, podLimits, podRequests, qosClass } from "./pod-resources.js";

const sized = (name: string, requests: Record<string, string>, limits: Record<string, string> = {}, more: Partial<corev1.Container> = {}) =>
  container(name, { resources: { requests, limits }, ...more });
const full = { cpu: "100m", memory: "64Mi" };

describe("amounts", () => {
  it.each([
    ["1", 1],
    ["100m", 0.1],
    ["64Mi", 64 * 2 ** 20],
    ["1.5Gi", 1.5 * 2 ** 30],
    ["1e3", 1000],
    ["2k", 2000],
    [".5", 0.5],
    ["5x", undefined],
    ["", undefined],
  ])("%s is %s", (text, value) => expect(parseAmount(text)).toBe(value));

  it("rounds up, but not for the error of arithmetic", () => {
    expect([milliUnits("0.1"), milliUnits("100.5m"), wholeUnits("1500m"), wholeUnits(undefined)]).toEqual([100, 101, 2, 0]);
  });

  it("prints canonical forms", () => {
    expect([formatMilliCPU(1500), formatMilliCPU(2000), formatKi(2 ** 20 + 5)]).toEqual(["1500m", "2", "1024Ki"]);
  });
});

describe("qosClass", () => {
  it.each([
    ["nothing set", [container("a")], "BestEffort"],
    ["zero requests", [sized("a", { cpu: "0" })], "BestEffort"],
    ["requests equal to limits", [sized("a", full, full)], "Guaranteed"],
    ["limits alone", [sized("a", {}, full)], "Guaranteed"],
    ["the same amount in another form", [sized("a", { cpu: "0.1", memory: "65536Ki" }, full)], "Guaranteed"],
    ["a request below the limit", [sized("a", { ...full, cpu: "50m" }, full)], "Burstable"],
    ["no memory limit", [sized("a", { cpu: "1" }, { cpu: "1" })], "Burstable"],
    ["one container without", [sized("a", full, full), container("b")], "Burstable"],
    ["other resources only", [sized("a", { "ephemeral-storage": "1Gi" })], "BestEffort"],
  ])("%s: %s", (_, containers, expected) => expect(qosClass(pod({ containers }))).toBe(expected));

  it("counts init containers", () => {
    expect(qosClass(pod({ containers: [sized("a", full, full)], initContainers: [container("i")] }))).toBe("Burstable");
  });

  it("is the pod's place in the cgroup tree", () => {
    expect(podCgroup(pod({}))).toBe("/kubepods/besteffort/podu1");
    expect(podCgroup(pod({ containers: [sized("a", full, full)] }))).toBe("/kubepods/podu1");
  });
});

describe("totals of a pod", () => {
  it("is the sum of containers, or the largest init container", () => {
    const containers = [sized("a", { cpu: "100m" }), sized("b", { cpu: "200m" })];
    expect(podRequests(pod({ containers, initContainers: [sized("i", { cpu: "250m" })] }))).toEqual({ cpu: 300 });
    expect(podRequests(pod({ containers, initContainers: [sized("i", { cpu: "1" })] }))).toEqual({ cpu: 1000 });
  });

  it("adds sidecars to the containers, and to the init containers after them", () => {
    const side = sized("s", { cpu: "500m" }, {}, { restartPolicy: "Always" });
    const containers = [sized("a", { cpu: "100m" })];
    expect(podRequests(pod({ containers, initContainers: [side, sized("i", { cpu: "300m" })] }))).toEqual({ cpu: 800 });
    expect(podRequests(pod({ containers, initContainers: [sized("i", { cpu: "300m" }), side] }))).toEqual({ cpu: 600 });
  });

  it("adds the overhead", () => {
    expect(podRequests(pod({ containers: [sized("a", { cpu: "100m" })], overhead: { cpu: "50m" } }))).toEqual({ cpu: 150 });
  });

  it("has no limit where a container has none", () => {
    expect(podLimits(pod({ containers: [sized("a", {}, full), sized("b", {}, { cpu: "1" })] }))).toEqual({ cpu: 1100 });
  });
});

describe("cgroup settings", () => {
  it.each([
    [0, 2],
    [1, 2],
    [100, 102],
    [1000, 1024],
    [1_000_000, 262_144],
  ])("%i milli are %i shares", (milli, shares) => expect(sharesOf(milli)).toBe(shares));
  it.each([
    [0, undefined],
    [1, 1000],
    [250, 25_000],
    [2000, 200_000],
  ])("%i milli are a quota of %s µs", (milli, quota) => expect(quotaOf(milli)).toBe(quota));
  it.each([
    [2, 1],
    [1024, 39],
    [262_144, 10_000],
  ])("%i shares weigh %i", (shares, weight) => expect(weightOf(shares)).toBe(weight));

  it("of a container come from its request, else its limit", () => {
    expect(containerSettings(sized("a", {}, { cpu: "500m", memory: "1Mi" }))).toEqual({
      cpuShares: 512,
      cpuQuotaUs: 50_000,
      cpuPeriodUs: 100_000,
      memoryLimitBytes: 2 ** 20,
    });
    expect(containerSettings(container("a"))).toEqual({ cpuShares: 2 });
  });

  it("of a pod", () => {
    expect(podSettings(pod({ containers: [sized("a", full, full)] }), 50)).toMatchObject({
      cpuShares: 102,
      memoryLimitBytes: 64 * 2 ** 20,
      pidsMax: 50,
    });
    expect(podSettings(pod({}), undefined)).toEqual({ cpuShares: 2 });
  });
});

describe("oomScoreAdj", () => {
  const capacity = 2 ** 30;
  const burstable = (memory: string): corev1.Container => sized("a", { memory });
  it.each([
    ["Guaranteed", pod({ containers: [sized("a", full, full)] }), sized("a", full, full), -997],
    ["BestEffort", pod({}), container("a"), 1000],
    ["half of the memory", pod({ containers: [burstable("512Mi")] }), burstable("512Mi"), 500],
    ["nearly nothing", pod({ containers: [burstable("1")] }), burstable("1"), 999],
    ["all of it", pod({ containers: [burstable("1Gi")] }), burstable("1Gi"), 3],
    ["critical to the node", pod({ priority: 2_000_001_000, priorityClassName: "system-node-critical" }), container("a"), -997],
    ["critical to the cluster", pod({ priority: 2_000_000_000, priorityClassName: "system-cluster-critical" }), container("a"), 1000],
  ])("%s: %i", (_, wanted, of, score) => expect(oomScoreAdj(wanted, of, capacity)).toBe(score));

  it("kills a sidecar no earlier than the containers it serves", () => {
    const side = container("s", { restartPolicy: "Always" });
    expect(oomScoreAdj(pod({ containers: [burstable("512Mi")], initContainers: [side] }), side, capacity)).toBe(500);
  });
});
