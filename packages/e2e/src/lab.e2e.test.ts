// The lab itself: what it leaves behind, several at once, an ordinary user's, another runtime, and what is said when something is missing.
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { describeLab, eventually, Lab, repository, run } from "./lab.js";

/** Processes and control groups that carry the lab's name. */
function leftovers(id: string): string[] {
  const processes = readdirSync("/proc").filter((entry) => {
    try {
      return /^\d+$/.test(entry) && readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(`lenj-world-${id}`);
    } catch {
      return false;
    }
  });
  const cgroups = readdirSync("/sys/fs/cgroup").flatMap((hierarchy) => {
    try {
      return readdirSync(`/sys/fs/cgroup/${hierarchy}`).filter((name) => name === `lenj-${id}`);
    } catch {
      return [];
    }
  });
  const mounts = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .filter((line) => line.includes(`lenj-${id}`));
  return [...processes, ...cgroups, ...mounts, ...readdirSync(tmpdir()).filter((name) => name === `lenj-${id}`)];
}

const identityOf = async (lab: Lab): Promise<string> => (JSON.parse(await lab.mustLenj("status", "-o", "json")) as { id: string }).id;

async function runPods(lab: Lab): Promise<void> {
  await lab.must(["create", "deployment", "web", "--image=lenj.local/web:1", "--replicas=2", "--port=8080"]);
  await lab.must(["rollout", "status", "deployment/web", "--timeout=90s"]);
  await lab.must(["expose", "deployment", "web", "--port=80", "--target-port=8080"]);
  const pod = (await lab.must(["get", "pods", "-l", "app=web", "-o", "name"])).split("\n")[0] as string;
  await eventually("an answer through the service's name", async () =>
    (await lab.must(["exec", pod, "--", "wget", "-qO-", "-T", "3", "http://web/"])).startsWith("Hello from web-"),
  );
}

describeLab("a lab", () => {
  it("leaves nothing behind, not after a crash of its supervisor either, and keeps its state for the next start", async () => {
    const lab = await Lab.own("--nodes", "1", "--store-replicas", "1");
    const id = await identityOf(lab);
    await lab.must(["create", "configmap", "kept"]);
    const world = Number(readFileSync(`${lab.state}/world.pid`, "utf8"));
    process.kill(world, "SIGKILL");
    await lab.up();
    await lab.must(["get", "configmap", "kept"]);
    expect((await lab.lenj("down")).code).toBe(0);
    expect(leftovers(id)).toEqual([]);
    await lab.up();
    await lab.must(["get", "configmap", "kept"]);
    await lab.down();
    expect(leftovers(id)).toEqual([]);
  }, 180_000);

  it("gives etcdctl and others what they need, and a gRPC client in another language follows a rollout", async () => {
    const lab = await Lab.own("--nodes", "1");
    try {
      const etcdctl = (command: string) =>
        run("sh", [
          "-c",
          `eval "$(${process.execPath} ${repository}packages/lab/dist/main.js --state ${lab.state} env)" && etcdctl ${command}`,
        ]);
      expect((await etcdctl("member list")).stdout.trim().split("\n")).toHaveLength(3);
      expect((await etcdctl("endpoint status")).stdout.match(/true/g)).toHaveLength(1);
      expect((await etcdctl("get /registry/namespaces/default --keys-only")).stdout).toContain("/registry/namespaces/default");
      await lab.must(["create", "deployment", "roll", "--image=lenj.local/web:1"]);
      const client = await run("/usr/bin/python3", [`${repository}examples/grpc/rollout.py`, "roll"], {
        env: { ...process.env, KUBECONFIG: lab.kubeconfig },
        timeoutMs: 60_000,
      });
      expect({ code: client.code, stderr: client.stderr }).toMatchObject({ code: 0 });
      expect(client.stdout).toContain("roll has rolled out");
    } finally {
      await lab.down();
    }
  }, 180_000);

  it("runs pods on the machine's containerd", async () => {
    const lab = await Lab.own("--nodes", "2", "--store-replicas", "1", "--container-runtime", "containerd");
    try {
      expect(await lab.must(["get", "nodes", "-o", "wide"])).toContain("containerd://");
      await runPods(lab);
    } finally {
      await lab.down();
    }
  }, 240_000);

  it("is the same for an ordinary user, inside a user namespace", async () => {
    const home = mkdtempSync(`${tmpdir()}/lenj-e2e-user-`);
    chmodSync(home, 0o777);
    const lenj = (...args: string[]) =>
      run(
        "setpriv",
        [
          "--reuid=65534",
          "--regid=65534",
          "--clear-groups",
          process.execPath,
          `${repository}packages/lab/dist/main.js`,
          "--state",
          `${home}/lab`,
          ...args,
        ],
        { env: { ...process.env, HOME: home }, timeoutMs: 120_000 },
      );
    try {
      const up = await lenj("up", "--nodes", "2", "--store-replicas", "1");
      expect({ code: up.code, stderr: up.stderr }).toEqual({ code: 0, stderr: "" });
      expect(up.stdout).toContain("Without root: no cgroup limits");
      await runPods(new Lab(`${home}/lab`));
    } finally {
      expect((await lenj("down", "--purge")).code).toBe(0);
      rmSync(home, { recursive: true, force: true });
    }
  }, 240_000);

  it("runs as containers of a docker engine", async () => {
    const test = await run("sh", [`${repository}deploy/test.sh`], { timeoutMs: 300_000 });
    expect({ code: test.code, last: test.stdout.trim().split("\n").at(-1) }).toMatchObject({
      code: 0,
      last: expect.stringContaining("passed") as string,
    });
  }, 310_000);
});
