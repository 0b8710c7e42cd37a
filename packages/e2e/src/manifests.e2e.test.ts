// The manifests that every introduction to Kubernetes uses, as files under examples/.
import { readFileSync } from "node:fs";
import { describeLab, eventually, Lab, repository, run } from "./lab.js";

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

  it("reach the same pods at a port of every node, and by a name that is their own addresses", async () => {
    await lab.apply(example("service-nodeport"), "-n", namespace);
    await lab.apply(example("service-headless"), "-n", namespace);
    const nodes = (await lab.get<{ items: { status: { addresses: { type: string; address: string }[] } }[] }>("nodes")).items;
    const addresses = nodes.map((node) => node.status.addresses.find(({ type }) => type === "InternalIP")?.address);
    expect(addresses).toHaveLength(3);
    for (const url of [...addresses.map((address) => `http://${address}:30080/`), "http://web-pods:8080/"])
      await eventually(`an answer at ${url}`, async () =>
        (await inPod("hello", "wget", "-qO-", "-T", "3", url)).startsWith("Hello from web-"),
      );
  }, 120_000);

  it("start an unhealthy container again, and send it nothing until it is ready", async () => {
    await lab.apply(example("probes"), "-n", namespace);
    await lab.must(["-n", namespace, "wait", "--for=condition=Ready", "pod/probed", "--timeout=60s"]);
    await inPod("probed", "wget", "-qO-", "--post-data=", "http://127.0.0.1:8080/unhealthy");
    await lab.must(["-n", namespace, "wait", "--for=condition=Ready=False", "pod/probed", "--timeout=60s"]);
    await lab.must([
      "-n",
      namespace,
      "wait",
      "--for=jsonpath={.status.containerStatuses[0].restartCount}=1",
      "pod/probed",
      "--timeout=60s",
    ]);
    await lab.must(["-n", namespace, "wait", "--for=condition=Ready", "pod/probed", "--timeout=60s"]);
  }, 240_000);

  it("make a namespace, which takes what is in it along when it goes", async () => {
    await lab.apply(example("namespace"));
    expect((await lab.kubectl(["-n", "demo", "get", "pods"])).stderr).toBe("No resources found in demo namespace.\n");
    await lab.must(["-n", "demo", "create", "configmap", "inside"]);
    await lab.must(["delete", "namespace", "demo", "--wait=true", "--timeout=60s"]);
    expect((await lab.kubectl(["-n", "demo", "get", "configmap", "inside"])).stderr).toContain("NotFound");
  }, 120_000);

  it("follow a rollout from Python over gRPC, and say when there is no such Deployment", async () => {
    const follow = (name: string) =>
      run("/usr/bin/python3", [`${repository}examples/grpc/rollout.py`, name, namespace], {
        env: { ...process.env, KUBECONFIG: lab.kubeconfig },
        timeoutMs: 90_000,
      });
    await lab.must(["-n", namespace, "set", "image", "deployment/web", "web=lenj.local/web:2"]);
    const followed = await follow("web");
    expect({ code: followed.code, stderr: followed.stderr }).toEqual({ code: 0, stderr: "" });
    expect(followed.stdout).toMatch(/^pod web-\S+ Running node-\d$/m);
    expect(followed.stdout).toContain("web has rolled out\n");
    expect(await follow("nosuch")).toMatchObject({ code: 1, stderr: 'error: deployments.apps "nosuch" not found\n' });
  }, 180_000);

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
