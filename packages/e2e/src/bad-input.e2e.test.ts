// Bad input gets upstream's error, and every process stays up.
import { describeLab, eventually, Lab, run } from "./lab.js";

describeLab("bad input", () => {
  let lab: Lab;
  const namespace = "bad-input";
  const pod = (name: string, fields: string): string =>
    `apiVersion: v1\nkind: Pod\nmetadata: { name: ${name} }\nspec:\n  containers:\n    - name: c\n      image: lenj.local/web:1\n${fields}`;

  beforeAll(async () => {
    lab = await Lab.shared();
    await lab.namespace(namespace);
  }, 120_000);

  afterAll(() => lab?.must(["delete", "namespace", namespace, "--wait=false"]), 60_000);

  const refused = async (yaml: string, ...args: string[]): Promise<string> => {
    const outcome = await lab.kubectl(["-n", namespace, "apply", ...args, "-f", "-"], { input: yaml });
    expect(outcome.code).not.toBe(0);
    return outcome.stderr;
  };

  it("malformed YAML", async () => {
    expect(await refused("apiVersion: v1\n  kind: [")).toContain("error parsing");
  });

  it("an unknown field", async () => {
    expect(await refused(pod("unknown", "      imagePulPolicy: Always\n"))).toContain('unknown field "spec.containers[0].imagePulPolicy"');
  });

  it("an invalid name", async () => {
    expect(await refused(pod("Not_A_Name", ""))).toContain(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters",
    );
  });

  it("a wrong type", async () => {
    expect(await refused("apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: d }\nspec: { replicas: many }\n")).toMatch(
      /cannot unmarshal string|invalid type|expected.*got/i,
    );
  });

  it("a body over the limit", async () => {
    const outcome = await lab.kubectl(["-n", namespace, "create", "-f", "-"], {
      input: JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "big" }, data: { big: "x".repeat(4_000_000) } }),
    });
    expect(outcome.stderr).toMatch(/Request entity too large: limit is 3145728|too large/i);
  });

  it("a certificate of another authority, and no credentials at all", async () => {
    const server = await lab.must(["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]);
    const without = await run("curl", ["-sk", `${server}/api/v1/namespaces`]);
    expect(JSON.parse(without.stdout)).toMatchObject({
      kind: "Status",
      reason: "Forbidden",
      code: 403,
      message: 'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" at the cluster scope',
    });
    const wrong = await run("curl", ["-sk", "-H", "Authorization: Bearer not-a-token", `${server}/api/v1/namespaces`]);
    expect(JSON.parse(wrong.stdout)).toMatchObject({ reason: "Unauthorized", code: 401 });
  });

  it("a token without rights", async () => {
    await lab.must(["-n", namespace, "create", "serviceaccount", "weak"]);
    const token = (await lab.must(["-n", namespace, "create", "token", "weak"])).trim();
    const outcome = await lab.kubectl(["-n", namespace, "--token", token, "get", "secrets"], {
      env: { KUBECONFIG: await tokenKubeconfig(lab) },
    });
    expect(outcome.stderr).toContain(
      `secrets is forbidden: User "system:serviceaccount:${namespace}:weak" cannot list resource "secrets" in API group "" in the namespace "${namespace}"`,
    );
  });

  it("an image that does not exist", async () => {
    await lab.apply(pod("no-image", "").replace("lenj.local/web:1", "lenj.local/absent:9"), "-n", namespace);
    await eventually("ErrImagePull or ImagePullBackOff", async () =>
      /ErrImagePull|ImagePullBackOff/.test(
        await lab.must(["-n", namespace, "get", "pod", "no-image", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}"]),
      ),
    );
  }, 90_000);

  it("a command that does not exist", async () => {
    await lab.apply(pod("no-command", '      command: ["/no/such/command"]\n'), "-n", namespace);
    await eventually("RunContainerError or StartError", async () =>
      /StartError|RunContainerError|CrashLoopBackOff|ContainerCannotRun/.test(
        await lab.must(["-n", namespace, "get", "pod", "no-command", "-o", "jsonpath={.status.containerStatuses[0]}"]),
      ),
    );
  }, 90_000);

  it("a port in use", async () => {
    const port = /:(\d+)$/.exec(await lab.must(["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]))?.[1] ?? "";
    const other = new Lab(`${lab.state}-other`);
    const outcome = await other.lenj("up", "--port", port);
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toContain("bind: address already in use");
  });

  it("leaves every process running", async () => {
    expect((await lab.processes()).filter((process) => process.state !== "running")).toEqual([]);
  });
});

/** The lab's kubeconfig without its client certificate: a token then decides alone. */
async function tokenKubeconfig(lab: Lab): Promise<string> {
  const view = JSON.parse(await lab.must(["config", "view", "--raw", "-o", "json"])) as { users: { user: object }[] };
  for (const entry of view.users) entry.user = {};
  const file = `${lab.state}/token-only.kubeconfig`;
  const { writeFileSync } = await import("node:fs");
  writeFileSync(file, JSON.stringify(view), { mode: 0o600 });
  return file;
}
