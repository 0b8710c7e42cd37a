// The manifests that every introduction to Kubernetes uses, as files under examples/.
import { readFileSync } from "node:fs";
import { describeLab, eventually, Lab, repository } from "./lab.js";

const example = (name: string): string => readFileSync(`${repository}examples/${name}.yaml`, "utf8");

interface Pod {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly podIP: string };
}

describeLab("the examples", () => {
  let lab: Lab;
  const namespace = "examples";

  beforeAll(async () => {
    lab = await Lab.shared();
    await lab.namespace(namespace);
  }, 120_000);

  afterAll(() => lab?.must(["delete", "namespace", namespace, "--wait=true"]), 90_000);

  const inPod = (pod: string, ...command: string[]): Promise<string> => lab.must(["-n", namespace, "exec", pod, "--", ...command]);

  it("run a Pod whose log says that it listens", async () => {
    await lab.apply(example("pod"), "-n", namespace);
    const [pod] = (await lab.get<{ items: Pod[] }>("pods", "-n", namespace)).items;
    await lab.must(["-n", namespace, "wait", "--for=condition=Ready", `pod/${pod?.metadata.name}`, "--timeout=60s"]);
    expect(await lab.must(["-n", namespace, "logs", pod?.metadata.name ?? ""])).toContain("Listening on 8080");
  }, 90_000);

  it("run a Deployment of three, spread over nodes, reached through its Service by address and by name", async () => {
    await lab.apply(example("deployment"), "-n", namespace);
    await lab.apply(example("service"), "-n", namespace);
    await lab.must(["-n", namespace, "wait", "--for=condition=Available", "deployment/web", "--timeout=60s"]);
    const pods = (await lab.get<{ items: Pod[] }>("pods", "-n", namespace, "-l", "app=web")).items;
    expect(new Set(pods.map((pod) => pod.spec.nodeName)).size).toBeGreaterThan(1);

    const service = await lab.get<{ spec: { clusterIP: string } }>("service", "web", "-n", namespace);
    const [client] = pods as [Pod];
    const answers = new Set<string>();
    await eventually("an answer from every pod through the cluster IP", async () => {
      const text = await inPod(client.metadata.name, "wget", "-qO-", "-T", "5", `http://${service.spec.clusterIP}/`);
      answers.add(/Hello from (\S+)/.exec(text)?.[1] ?? text);
      return answers.size === 3;
    });
    expect([...answers].sort()).toEqual(pods.map((pod) => pod.metadata.name).sort());
    expect(await inPod(client.metadata.name, "wget", "-qO-", "-T", "5", "http://web/")).toMatch(/^Hello from web-/);
    expect(await inPod(client.metadata.name, "wget", "-qO-", "-T", "5", `http://web.${namespace}.svc.cluster.local/`)).toMatch(
      /^Hello from web-/,
    );
    const elsewhere = pods.find((pod) => pod.spec.nodeName !== client.spec.nodeName) as Pod;
    expect(await inPod(client.metadata.name, "wget", "-qO-", "-T", "5", `http://${elsewhere.status.podIP}:8080/`)).toContain(
      elsewhere.metadata.name,
    );
  }, 120_000);

  it("give a ConfigMap and a Secret to a pod as environment and as files", async () => {
    await lab.apply(example("configmap"), "-n", namespace);
    await lab.apply(example("secret"), "-n", namespace);
    await lab.apply(example("pod-with-config"), "-n", namespace);
    await lab.must(["-n", namespace, "wait", "--for=condition=Ready", "pod/configured", "--timeout=60s"]);
    expect(await inPod("configured", "sh", "-c", "echo $GREETING $PASSWORD")).toBe("hello correct-horse\n");
    expect(await inPod("configured", "cat", "/etc/config/greeting", "/etc/secret/password")).toBe("hellocorrect-horse");
  }, 90_000);

  it("run a sidecar that shares a volume", async () => {
    await lab.apply(example("sidecar"), "-n", namespace);
    await lab.must(["-n", namespace, "wait", "--for=condition=Ready", "pod/sidecar", "--timeout=60s"]);
    await eventually("a line of the writer in the reader's log", async () =>
      (await lab.must(["-n", namespace, "logs", "sidecar", "-c", "reader"])).includes("line"),
    );
  }, 90_000);

  it("run an init container, then a native sidecar, then the main container", async () => {
    await lab.apply(example("native-sidecar"), "-n", namespace);
    await lab.must(["-n", namespace, "wait", "--for=condition=Ready", "pod/native-sidecar", "--timeout=60s"]);
    expect((await lab.must(["-n", namespace, "exec", "native-sidecar", "-c", "web", "--", "cat", "/prepared/state"])).trim()).toBe(
      "prepared",
    );
  }, 90_000);
});
