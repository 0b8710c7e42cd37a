// Processes killed in the middle of work: the work goes on, and nothing acknowledged is lost.
import { describeLab, eventually, Lab, type ProcessStatus } from "./lab.js";

describeLab("killing", () => {
  let lab: Lab;
  const namespace = "failures";
  const k = (...args: string[]): Promise<string> => lab.must(["-n", namespace, ...args]);

  beforeAll(async () => {
    lab = await Lab.shared();
    await lab.namespace(namespace);
  }, 120_000);

  afterAll(() => lab?.must(["delete", "namespace", namespace, "--wait=false"]), 60_000);

  it("the store's leader while writing loses nothing that was acknowledged, and it rejoins", async () => {
    const leader = await eventually("a store leader", async () => (await lab.processes()).find((process) => process.role === "leader"));
    const acknowledged: string[] = [];
    let writing = true;
    const writer = (async () => {
      for (let n = 0; writing || n < 60; n++) {
        const name = `write-${n}`;
        const outcome = await lab.kubectl(["-n", namespace, "create", "configmap", name, `--from-literal=n=${n}`, "--request-timeout=10s"]);
        if (outcome.code === 0) acknowledged.push(name);
      }
    })();
    await eventually("some writes", async () => acknowledged.length > 10);
    process.kill(leader.pid as number, "SIGKILL");
    const successor = await eventually("another leader", async () =>
      (await lab.processes()).find((process) => process.role === "leader" && process.name !== leader.name),
    );
    const soFar = acknowledged.length;
    await eventually("writes after the election", async () => acknowledged.length > soFar + 5);
    writing = false;
    await writer;
    expect(successor.name).not.toBe(leader.name);
    await eventually("the killed replica to follow", async () => (await lab.process(leader.name)).role === "follower");
    const kept = new Set((await k("get", "configmaps", "-o", "name")).split("\n").map((line) => line.replace("configmap/", "")));
    expect(acknowledged.filter((name) => !kept.has(name))).toEqual([]);
  }, 240_000);

  const victims = ["apiserver-1", "scheduler-1", "controller-manager-1", "node-1/kubelet", "node-1/runtime", "node-1/proxy"];

  it.each(victims)(
    "%s during a rollout lets the rollout complete",
    async (victim) => {
      const name = victim.replace("/", "-");
      await k("create", "deployment", name, "--image=lenj.local/web:1", "--replicas=4");
      await k("rollout", "status", `deployment/${name}`, "--timeout=120s");
      await k("set", "image", `deployment/${name}`, "web=lenj.local/web:2");
      const before = await lab.process(victim);
      process.kill(before.pid as number, "SIGKILL");
      await eventually(`${victim} to run again`, async () => isRestarted(before, await lab.process(victim)));
      await eventually(
        "the rollout to complete",
        async () => (await lab.kubectl(["-n", namespace, "rollout", "status", `deployment/${name}`, "--timeout=20s"])).code === 0,
        180_000,
      );
      await k("delete", "deployment", name);
    },
    300_000,
  );
});

function isRestarted(before: ProcessStatus, now: ProcessStatus): boolean {
  return now.state === "running" && now.pid !== null && now.pid !== before.pid && now.restarts > before.restarts;
}
