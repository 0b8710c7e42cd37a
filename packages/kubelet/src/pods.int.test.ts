// Pods from an api-server to running containers, on a real containerd in a capsule of its own.
import type { corev1 } from "@lenj/proto/k8s";
import { NodeCapsule } from "./testing/node-capsule.js";

const image = "lenj.local/busybox:1";

function pod(name: string, spec: Partial<corev1.PodSpec> & { containers: corev1.Container[] }): corev1.Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", uid: `uid-${name}` },
    spec: { nodeName: "n1", restartPolicy: "Always", terminationGracePeriodSeconds: 2, ...spec },
  };
}

describe("kubelet on containerd", () => {
  let node: NodeCapsule;
  const read = (name: string): Promise<corev1.Pod | undefined> => node.get<corev1.Pod>("pods", "default", name);

  beforeAll(async () => {
    node = await NodeCapsule.start();
  }, 60_000);
  afterAll(async () => {
    await node?.close();
  }, 30_000);

  it("registers a ready node with its capacity and a lease", async () => {
    const object = await node.until(
      () => node.get<corev1.Node>("nodes", "", "n1"),
      (value) => value?.status?.conditions?.find((condition) => condition.type === "Ready")?.status === "True",
    );
    expect(object?.status?.nodeInfo?.containerRuntimeVersion).toMatch(/^containerd:\/\//);
    expect(object?.metadata?.labels?.["kubernetes.io/hostname"]).toBe("n1");
    await node.until(
      () => node.list("leases"),
      (leases) => leases.length === 1,
    );
  }, 30_000);

  it("runs a pod and removes it without a trace", async () => {
    await node.create(
      "pods",
      pod("web", {
        containers: [{ name: "c", image, command: ["sh", "-c", "trap 'exit 0' TERM; echo hello; while :; do sleep 0.1; done"] }],
      }),
    );
    const running = await node.until(
      () => read("web"),
      (value) => value?.status?.conditions?.find((condition) => condition.type === "Ready")?.status === "True",
    );
    expect(running?.status?.phase).toBe("Running");
    expect(running?.status?.podIP).toMatch(/^10\.244\.77\./);
    expect(running?.status?.containerStatuses?.[0]?.containerID).toMatch(/^containerd:\/\/[0-9a-f]{64}$/);
    await node.call("delete", "pods", "default", "web");
    await node.until(
      () => read("web"),
      (value) => value === undefined,
    );
    await node.until(
      async () => (await node.run("find", `${node.folder}/kubelet/pods`, `${node.folder}/log/pods`, "-mindepth", "1")).text,
      (text) => text === "",
    );
  }, 60_000);
});
