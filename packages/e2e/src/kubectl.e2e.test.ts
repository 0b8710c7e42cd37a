// The everyday commands of kubectl, unmodified, against a lab.
import { describeLab, eventually, Lab, run, stop } from "./lab.js";

describeLab("kubectl", () => {
  let lab: Lab;
  const namespace = "kubectl";
  const k = (...args: string[]): Promise<string> => lab.must(["-n", namespace, ...args]);

  beforeAll(async () => {
    lab = await Lab.shared();
    await lab.namespace(namespace);
    await k("create", "deployment", "web", "--image=lenj.local/web:1", "--replicas=2", "--port=8080");
    await k("rollout", "status", "deployment/web", "--timeout=60s");
  }, 180_000);

  afterAll(() => lab?.must(["delete", "namespace", namespace, "--wait=false"]), 60_000);

  it("shows tables, wide tables, YAML and a watch", async () => {
    expect(await k("get", "deployments")).toMatch(/^NAME\s+READY\s+UP-TO-DATE\s+AVAILABLE\s+AGE\nweb\s+2\/2\s+2\s+2\s+/);
    expect(await k("get", "pods", "-o", "wide")).toMatch(/NODE .*\n(web-\S+\s+1\/1\s+Running\s+0 .* 10\.244\.\d+\.\d+\s+node-\d .*\n){2}/);
    expect(await k("get", "deployment", "web", "-o", "yaml")).toContain("image: lenj.local/web:1");
    expect(await lab.must(["get", "nodes"])).toMatch(/node-1\s+Ready\s+\S+\s+\S+\s+v1\.35/);
    const watch = lab.spawnKubectl(["-n", namespace, "get", "pods", "-w", "--no-headers"]);
    try {
      let seen = "";
      watch.stdout?.on("data", (chunk: Buffer) => {
        seen += chunk.toString();
      });
      await eventually("the first lines of the watch", async () => seen.split("\n").length > 2);
      await k("scale", "deployment/web", "--replicas=3");
      await eventually("the new pod in the watch", async () => /0\/1\s+Pending/.test(seen));
    } finally {
      await stop(watch);
    }
    await k("scale", "deployment/web", "--replicas=2");
    // A rollout is over before the pods that it ends are gone; the next tests take whichever pod comes first.
    await eventually("two pods", async () => (await k("get", "pods", "-o", "name")).trim().split("\n").length === 2);
  }, 120_000);

  it("describes objects with their events", async () => {
    const pod = (await k("get", "pods", "-l", "app=web", "-o", "name")).split("\n")[0] as string;
    const text = await k("describe", pod);
    expect(text).toMatch(/Status:\s+Running/);
    for (const reason of ["Scheduled", "Pulled", "Created", "Started"]) expect(text).toContain(reason);
    expect(await lab.must(["describe", "node", "node-1"])).toMatch(/Ready\s+True/);
  }, 60_000);

  it("follows logs", async () => {
    const pod = (await k("get", "pods", "-l", "app=web", "-o", "name")).split("\n")[0] as string;
    const logs = lab.spawnKubectl(["-n", namespace, "logs", "-f", pod]);
    try {
      let seen = "";
      logs.stdout?.on("data", (chunk: Buffer) => {
        seen += chunk.toString();
      });
      await eventually("the start line", async () => seen.includes("Listening"));
      await k("exec", pod, "--", "wget", "-qO-", "http://127.0.0.1:8080/followed");
      await eventually("the request in the log", async () => seen.includes("GET /followed"));
    } finally {
      await stop(logs);
    }
  }, 60_000);

  it("runs commands in a container: output, input, terminal and exit code", async () => {
    const pod = (await k("get", "pods", "-l", "app=web", "-o", "name")).split("\n")[0] as string;
    expect((await lab.kubectl(["-n", namespace, "exec", pod, "--", "sh", "-c", "exit 7"])).code).toBe(7);
    expect(await lab.must(["-n", namespace, "exec", "-i", pod, "--", "cat"], { input: "through standard input\n" })).toBe(
      "through standard input\n",
    );
    // kubectl asks for a terminal of its own: `script` gives it one.
    const kubectl = ["KUBECONFIG", lab.kubeconfig];
    const tty = await run(
      "script",
      ["-qec", `kubectl -n ${namespace} exec -it ${pod} -- sh -c 'test -t 0 && echo on a terminal; exit 5'`, "/dev/null"],
      {
        env: { ...process.env, [kubectl[0] as string]: kubectl[1] },
      },
    );
    expect(tty.stdout).toContain("on a terminal");
    expect(tty.code).toBe(5);
    const missing = await lab.kubectl(["-n", namespace, "exec", pod, "--", "no-such-command"]);
    expect(missing.code).not.toBe(0);
    expect(missing.stderr).toMatch(/no such file or directory|not found/);
  }, 90_000);

  it("changes an image, watches the rollout and undoes it", async () => {
    await k("set", "image", "deployment/web", "web=lenj.local/web:2");
    expect(await k("rollout", "status", "deployment/web", "--timeout=90s")).toContain("successfully rolled out");
    expect(await k("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")).toBe("lenj.local/web:2");
    await k("rollout", "undo", "deployment/web");
    await k("rollout", "status", "deployment/web", "--timeout=90s");
    expect(await k("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")).toBe("lenj.local/web:1");
    expect(await k("rollout", "history", "deployment/web")).toMatch(/REVISION[\s\S]*2[\s\S]*3/);
  }, 240_000);

  it("applies twice: the second time nothing changes", async () => {
    const generated = await k("create", "deployment", "twice", "--image=lenj.local/web:1", "--dry-run=client", "-o", "yaml");
    // kubectl counts its own `creationTimestamp: null` as a change against any server.
    const manifest = generated.replaceAll(/^.*creationTimestamp: null\n/gm, "");
    expect(await lab.apply(manifest, "-n", namespace)).toContain("created");
    const before = await k("get", "deployment", "twice", "-o", "jsonpath={.metadata.generation}");
    expect(await lab.apply(manifest, "-n", namespace)).toContain("unchanged");
    expect(await k("get", "deployment", "twice", "-o", "jsonpath={.metadata.generation}")).toBe(before);
    await k("delete", "deployment", "twice");
    expect((await lab.kubectl(["-n", namespace, "get", "deployment", "twice"])).stderr).toContain('deployments.apps "twice" not found');
  }, 60_000);

  it("explains fields, and says what one may do", async () => {
    expect(await lab.must(["explain", "deployment.spec.replicas"])).toMatch(/FIELD: replicas <integer>[\s\S]*DESCRIPTION:\n\s+\S+/);
    expect((await lab.kubectl(["auth", "can-i", "create", "pods"])).stdout).toBe("yes\n");
    expect((await lab.kubectl(["auth", "can-i", "create", "pods", "--as=jane"])).stdout).toBe("no\n");
    expect(await lab.must(["auth", "whoami"])).toContain("kubernetes-admin");
  }, 60_000);

  it("deletes with everything that belongs to it", async () => {
    await k("create", "deployment", "gone", "--image=lenj.local/web:1");
    await k("rollout", "status", "deployment/gone", "--timeout=60s");
    await k("delete", "deployment", "gone");
    await eventually("replica set and pods to go", async () => (await k("get", "replicasets,pods", "-l", "app=gone", "-o", "name")) === "");
  }, 90_000);
});
