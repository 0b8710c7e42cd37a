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

/** The supervisor itself, not the process that holds the lab's namespaces. */
function supervisorOf(id: string): number {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  const read = (file: string): string => {
    try {
      return readFileSync(file, "utf8");
    } catch {
      return ""; // ended meanwhile
    }
  };
  const isOfLab = (pid: string): boolean => read(`/proc/${pid}/cmdline`).includes(`lenj-world-${id}`);
  const found = pids.find((pid) => {
    const parent = /^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? "";
    return read(`/proc/${pid}/cmdline`).includes("supervise.js") && !isOfLab(pid) && isOfLab(parent);
  });
  if (found === undefined) throw new Error(`No supervisor of lab ${id}`);
  return Number(found);
}

/** Routes that labs put into the machine's own table; empty while another lab, such as the shared one, keeps them. */
async function guardRoutes(): Promise<string> {
  const others = readdirSync("/proc").some((entry) => {
    try {
      return /^\d+$/.test(entry) && readFileSync(`/proc/${entry}/cmdline`, "utf8").includes("lenj-world-");
    } catch {
      return false;
    }
  });
  return others ? "" : (await run("ip", ["route", "show", "proto", "187"])).stdout;
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

  it("has the size that was asked for, runs beside another one, and goes without a trace although its supervisor was killed", async () => {
    const small = await Lab.own("--nodes", "1", "--store-replicas", "1");
    const large = await Lab.own("--nodes", "2", "--store-replicas", "5");
    try {
      expect((await large.must(["get", "nodes", "-o", "name"])).trim().split("\n")).toHaveLength(2);
      expect((await large.shell("etcdctl member list")).stdout.trim().split("\n")).toHaveLength(5);
      expect((await large.shell("etcdctl endpoint status")).stdout.match(/true/g)).toHaveLength(1);
      expect((await large.shell("etcdctl get /registry/namespaces/default --keys-only")).stdout).toContain("/registry/namespaces/default");

      await small.must(["create", "configmap", "of-the-small-one"]);
      expect((await large.kubectl(["get", "configmap", "of-the-small-one"])).stderr).toContain("NotFound");

      const id = await identityOf(large);
      process.kill(supervisorOf(id), "SIGKILL");
      await large.down();
      expect(leftovers(id)).toEqual([]);
      await small.must(["get", "configmap", "of-the-small-one"]);
    } finally {
      await small.down();
      await large.down();
    }
    expect(await guardRoutes()).toBe("");
  }, 240_000);

  it("says what it does not know", async () => {
    const lab = await Lab.shared();
    expect(await lab.lenj("up", "--store-replicas", "2")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("Must be 1, 3 or 5.") as string,
    });
    expect(await lab.lenj("kill", "store-9")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^lenj: Unknown process "store-9": must be one of store-1, store-2, store-3, apiserver-1, /) as string,
    });
    expect(await lab.lenj("partition", "node-1", "mars")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Unknown host "mars"') as string,
    });
  }, 120_000);

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
