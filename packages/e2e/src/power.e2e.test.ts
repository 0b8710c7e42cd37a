// A node loses its power: its work moves; it comes back: clean.
import { describeLab, eventually, Lab } from "./lab.js";

interface Pod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly phase: string };
}

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: moving }
spec:
  replicas: 3
  selector: { matchLabels: { app: moving } }
  template:
    metadata: { labels: { app: moving } }
    spec:
      tolerations:
        - { key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 2 }
        - { key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 2 }
      containers:
        - name: web
          image: lenj.local/web:1
          readinessProbe: { httpGet: { path: /healthz, port: 8080 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: moving }
spec: { selector: { app: moving }, ports: [{ port: 80, targetPort: 8080 }] }
`;

describeLab("a node without power", () => {
  let lab: Lab;
  const namespace = "power";
  const node = "node-2";

  beforeAll(async () => {
    lab = await Lab.shared();
    await lab.namespace(namespace);
  }, 120_000);

  afterAll(async () => {
    await lab?.lenj("power", "on", node);
    await lab?.must(["delete", "namespace", namespace, "--wait=false"]);
  }, 90_000);

  const pods = async (): Promise<Pod[]> => (await lab.get<{ items: Pod[] }>("pods", "-n", namespace, "-l", "app=moving")).items;

  it("has its pods recreated elsewhere and gets no more traffic; powered on it is Ready again without orphans", async () => {
    await lab.apply(manifest, "-n", namespace);
    await lab.must(["-n", namespace, "wait", "--for=condition=Available", "deployment/moving", "--timeout=90s"]);
    const onNode = (await pods()).filter((pod) => pod.spec.nodeName === node).map((pod) => pod.metadata.name);
    expect(onNode.length).toBeGreaterThan(0);

    await lab.mustLenj("power", "off", node);
    await lab.must(["wait", "--for=condition=Ready=Unknown", `node/${node}`, "--timeout=90s"]);
    await eventually("endpoints on the node to go", async () => {
      const { items } = await lab.get<{ items: { endpoints?: { nodeName: string; conditions: { ready: boolean } }[] }[] }>(
        "endpointslices",
        "-n",
        namespace,
        "-l",
        "kubernetes.io/service-name=moving",
      );
      return items.flatMap((slice) => slice.endpoints ?? []).every((endpoint) => endpoint.nodeName !== node || !endpoint.conditions.ready);
    });
    await eventually(
      "three pods that run on other nodes",
      async () =>
        (await pods()).filter(
          (pod) => pod.spec.nodeName !== node && pod.status.phase === "Running" && pod.metadata.deletionTimestamp === undefined,
        ).length === 3,
      120_000,
    );

    await lab.mustLenj("power", "on", node);
    await lab.must(["wait", "--for=condition=Ready", `node/${node}`, "--timeout=90s"]);
    await eventually("the orphans to be gone", async () => (await pods()).every((pod) => !onNode.includes(pod.metadata.name)), 90_000);
  }, 400_000);
});
