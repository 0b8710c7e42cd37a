import {
  allocatable,
  allocatableAmounts,
  capacity,
  conditionEvents,
  isSameStatus,
  type NodeFacts,
  type NodeHealth,
  nodeConditions,
  nodeLabels,
  nodeStatus,
} from "./node-status.js";

const facts: NodeFacts = {
  hostname: "n1",
  addresses: ["192.168.0.1"],
  milliCPU: 2000,
  memoryBytes: 2 ** 30,
  storageBytes: 10 * 2 ** 30,
  maxPods: 110,
  reserved: { milliCPU: 500, memoryBytes: 100 * 2 ** 20, storageBytes: 2 ** 30 },
  system: { machineID: "m", systemUUID: "s", bootID: "b", kernelVersion: "6.1", osImage: "Linux", architecture: "amd64" },
  containerRuntimeVersion: "lenj://0.1.0",
  kubeletVersion: "v1.35.0",
  port: 10250,
};
const healthy: NodeHealth = {
  notReady: [],
  memoryPressure: false,
  diskPressure: false,
  pidPressure: false,
  images: [],
  runtimeHandlers: [],
};
const earlier = "2026-01-01T00:00:00Z";
const later = "2026-01-01T00:01:00Z";

describe("capacity and allocatable", () => {
  it("differ by what is reserved", () => {
    expect(capacity(facts)).toMatchObject({ cpu: "2", memory: "1048576Ki", "ephemeral-storage": "10485760Ki", pods: "110" });
    expect(allocatable(facts)).toMatchObject({ cpu: "1500m", memory: "946176Ki", "ephemeral-storage": "9663676416", pods: "110" });
    expect(allocatableAmounts(facts)).toMatchObject({ cpu: 1500, memory: 924 * 2 ** 20, pods: 110 });
  });
  it("never fall below zero", () => {
    expect(allocatable({ ...facts, memoryBytes: 2 ** 20 })).toMatchObject({ memory: "0Ki" });
  });
});

describe("nodeConditions", () => {
  const named = (health: Partial<NodeHealth>): string[] =>
    nodeConditions({ ...healthy, ...health }, [], later).map((condition) => `${condition.type}=${condition.status} ${condition.reason}`);

  it("of a healthy node, in upstream's order and words", () => {
    expect(named({})).toEqual([
      "MemoryPressure=False KubeletHasSufficientMemory",
      "DiskPressure=False KubeletHasNoDiskPressure",
      "PIDPressure=False KubeletHasSufficientPID",
      "Ready=True KubeletReady",
    ]);
  });
  it("of one in need", () => {
    expect(named({ memoryPressure: true, diskPressure: true, pidPressure: true })).toEqual([
      "MemoryPressure=True KubeletHasInsufficientMemory",
      "DiskPressure=True KubeletHasDiskPressure",
      "PIDPressure=True KubeletHasInsufficientPID",
      "Ready=True KubeletReady",
    ]);
  });
  it.each([
    [["container runtime is down"], "container runtime is down"],
    [["a", "b"], "[a, b]"],
  ])("says why it is not ready: %j", (notReady, message) => {
    expect(nodeConditions({ ...healthy, notReady }, [], later)[3]).toMatchObject({ status: "False", reason: "KubeletNotReady", message });
  });
  it("keeps the time of the last change", () => {
    const before = nodeConditions(healthy, [], earlier);
    const after = nodeConditions({ ...healthy, memoryPressure: true }, before, later);
    expect(after.map((condition) => condition.lastTransitionTime)).toEqual([later, earlier, earlier, earlier]);
    expect(after.every((condition) => condition.lastHeartbeatTime === later)).toBe(true);
    expect(conditionEvents(before, after)).toEqual(["NodeHasInsufficientMemory"]);
    expect(conditionEvents(after, nodeConditions(healthy, after, later))).toEqual(["NodeHasSufficientMemory"]);
  });
});

describe("nodeStatus", () => {
  it("names the node, its addresses and its port", () => {
    expect(nodeStatus(facts, healthy, {}, later)).toMatchObject({
      addresses: [
        { type: "InternalIP", address: "192.168.0.1" },
        { type: "Hostname", address: "n1" },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      nodeInfo: { containerRuntimeVersion: "lenj://0.1.0", kubeletVersion: "v1.35.0", operatingSystem: "linux" },
    });
    expect(nodeLabels(facts)).toMatchObject({ "kubernetes.io/hostname": "n1", "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux" });
  });
  it("tells the 50 largest images, with five names each", () => {
    const images = Array.from({ length: 60 }, (_, size) => ({
      names: Array.from({ length: 7 }, (_, name) => `i${size}:${name}`),
      sizeBytes: size,
    }));
    const told = nodeStatus(facts, { ...healthy, images }, {}, later).images ?? [];
    expect([told.length, told[0]?.sizeBytes, told[0]?.names?.length]).toEqual([50, 59, 5]);
  });
  it("is the same while only heartbeats move", () => {
    const first = nodeStatus(facts, healthy, {}, earlier);
    expect(isSameStatus(first, nodeStatus(facts, healthy, first, later))).toBe(true);
    expect(isSameStatus(first, nodeStatus(facts, { ...healthy, diskPressure: true }, first, later))).toBe(false);
  });
});
