// Two of each control-plane process at once: one leads, and when it is killed the other takes over.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { describeLab, eventually, Lab, run, stop } from "./lab.js";

interface Lease {
  readonly spec: { readonly holderIdentity?: string };
}

describeLab("two at once", () => {
  let lab: Lab;
  const namespace = "leaders";
  const started: ChildProcess[] = [];
  const k = (...args: string[]): Promise<string> => lab.must(["-n", namespace, ...args]);

  beforeAll(async () => {
    lab = await Lab.shared();
    await lab.namespace(namespace);
  }, 120_000);

  afterAll(async () => {
    await Promise.all(started.map((child) => stop(child)));
    await lab?.must(["delete", "namespace", namespace, "--wait=false"]);
  }, 60_000);

  /** Starts a second process beside one of the lab's, on the same host, with the same command line but for some flags. */
  async function second(name: string, ...flags: string[]): Promise<ChildProcess> {
    const { pid } = await lab.process(name);
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
    const isReplaced = (argument: string): boolean => flags.some((flag) => flag.split("=")[0] === argument.split("=")[0]);
    const args = command.filter((argument) => !isReplaced(argument));
    const child = spawn("nsenter", [`--target=${pid}`, "--net", "--mount", "--", ...args, ...flags], { stdio: "ignore" });
    started.push(child);
    return child;
  }

  const holder = async (lease: string): Promise<string | undefined> =>
    (await lab.get<Lease>("lease", lease, "-n", "kube-system")).spec.holderIdentity;

  it("controller-managers and schedulers: one leads; killed, the other takes over and a rollout completes; and back", async () => {
    const pairs = [
      { name: "controller-manager-1", lease: "kube-controller-manager", flag: "--secure-port=20257" },
      { name: "scheduler-1", lease: "kube-scheduler", flag: "--secure-port=20259" },
    ];
    await k("create", "deployment", "led", "--image=lenj.local/web:1", "--replicas=2");
    await k("rollout", "status", "deployment/led", "--timeout=90s");
    const firsts = await Promise.all(pairs.map(({ lease }) => holder(lease)));
    const seconds = await Promise.all(pairs.map(({ name, flag }) => second(name, flag)));

    await k("set", "image", "deployment/led", "web=lenj.local/web:2");
    for (const { name } of pairs) await lab.mustLenj("kill", name, "--hold");
    const successors = await Promise.all(
      pairs.map(({ lease }, position) =>
        eventually(`another holder of ${lease}`, async () => {
          const found = await holder(lease);
          return found !== undefined && found !== "" && found !== firsts[position] ? found : undefined;
        }),
      ),
    );
    await k("rollout", "status", "deployment/led", "--timeout=90s");
    for (const child of seconds) expect(child.exitCode).toBeNull();

    for (const { name } of pairs) await lab.mustLenj("start", name);
    await Promise.all(seconds.map((child) => stop(child)));
    for (const [position, { lease }] of pairs.entries())
      await eventually(`${lease} to change hands again`, async () => ![undefined, "", successors[position]].includes(await holder(lease)));
    await k("scale", "deployment/led", "--replicas=3");
    await k("rollout", "status", "deployment/led", "--timeout=90s");
  }, 300_000);

  it("api-servers: what one writes the other reads and watches, and one goes on without the other", async () => {
    const child = await second("apiserver-1", "--secure-port=16443", "--grpc-port=16444");
    const kubectl = (args: string[]) =>
      run("nsenter", [`--target=${child.pid}`, "--net", "--", "kubectl", "--server=https://10.200.0.21:16443", "-n", namespace, ...args], {
        env: { ...process.env, KUBECONFIG: lab.kubeconfig },
      });
    await eventually("the second api-server to be ready", async () => (await kubectl(["get", "--raw", "/readyz"])).stdout === "ok");
    const watching = kubectl(["wait", "--for=create", "configmap/written-by-first", "--timeout=60s"]);
    await k("create", "configmap", "written-by-first");
    expect((await watching).code).toBe(0);
    expect((await kubectl(["create", "configmap", "written-by-second"])).code).toBe(0);
    await eventually(
      "the first to read it",
      async () => (await lab.kubectl(["-n", namespace, "get", "configmap", "written-by-second"])).code === 0,
    );

    await lab.mustLenj("kill", "apiserver-1", "--hold");
    try {
      expect((await kubectl(["create", "configmap", "alone"])).stderr).toBe("");
      expect((await kubectl(["get", "configmap", "alone", "-o", "name"])).stdout).toBe("configmap/alone\n");
    } finally {
      await lab.mustLenj("start", "apiserver-1");
      await stop(child);
    }
    await eventually("the first to read it", async () => (await lab.kubectl(["-n", namespace, "get", "configmap", "alone"])).code === 0);
  }, 180_000);
});
