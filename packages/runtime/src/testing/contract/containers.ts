import { readFileSync, renameSync } from "node:fs";
import { ContainerState } from "@lenj/proto/cri";
import { busyboxImage } from "../contract-images.js";
import { call } from "../cri-client.js";
import { eventually } from "../node-harness.js";
import { type ContractNode, code, textOf } from "./contract-node.js";

export function describeContainers(node: () => ContractNode, losesLastWords: boolean): void {
  const ask = () => node().client.runtime;
  const remove = (containerId: string) => call(ask(), ask().removeContainer, { containerId });
  const startAgain = (containerId: string) => call(ask(), ask().startContainer, { containerId });

  describe("containers", () => {
    it("are created, run, end and go away", async () => {
      const sandbox = await node().run();
      const id = await node().create(sandbox, { command: ["sleep", "1000"], labels: { a: "b" }, annotations: { note: "kept" } });
      expect(await node().status(id)).toMatchObject({
        id,
        state: ContainerState.CONTAINER_CREATED,
        startedAt: 0n,
        finishedAt: 0n,
        labels: { a: "b" },
        annotations: { note: "kept" },
      });
      await startAgain(id);
      const running = await node().status(id);
      expect(running.state).toBe(ContainerState.CONTAINER_RUNNING);
      expect(running.startedAt).toBeGreaterThanOrEqual(running.createdAt);
      await node().stop(id, 0n);
      const ended = await node().status(id);
      expect(ended).toMatchObject({ state: ContainerState.CONTAINER_EXITED, exitCode: 137 });
      expect(ended.finishedAt).toBeGreaterThanOrEqual(ended.startedAt);
      await remove(id);
      await remove(id);
      await expect(node().status(id)).rejects.toMatchObject({ code: code.notFound });
    });

    it.each([
      ["exit 0", 0, "Completed"],
      ["exit 7", 7, "Error"],
      ["kill -9 $$", 137, "Error"],
      ["kill -15 $$; sleep 5", 143, "Error"],
    ])("tell how they ended: %s", async (script, exitCode, reason) => {
      // The first process of a process namespace is deaf to its own signals, so a child is asked.
      const id = await node().start(await node().run(), ["sh", "-c", script.startsWith("kill") ? `sh -c '${script}'; exit $?` : script]);
      expect(await node().exited(id)).toMatchObject({ exitCode, reason });
    });

    it("say that they could not be started", async () => {
      const sandbox = await node().run();
      const id = await node().create(sandbox, { command: ["/no/such"] });
      await expect(startAgain(id)).rejects.toMatchObject({ code: code.unknown });
      expect(await node().status(id)).toMatchObject({ state: ContainerState.CONTAINER_EXITED, exitCode: 128, reason: "StartError" });
    });

    it("start once", async () => {
      const sandbox = await node().run();
      const id = await node().start(sandbox, ["sleep", "1000"]);
      await expect(startAgain(id)).rejects.toMatchObject({ code: code.unknown });
      await node().stop(id, 0n);
      await expect(startAgain(id)).rejects.toMatchObject({ code: code.unknown });
    });

    it("exist once for a name and attempt", async () => {
      const sandbox = await node().run();
      const metadata = { name: "same", attempt: 0 };
      await node().create(sandbox, { command: ["true"], metadata });
      await expect(node().create(sandbox, { command: ["true"], metadata })).rejects.toMatchObject({
        details: expect.stringContaining("is reserved for"),
      });
      await node().create(sandbox, { command: ["true"], metadata: { name: "same", attempt: 1 } });
    });

    it("get the signal, and SIGKILL when their time is up", async () => {
      const sandbox = await node().run();
      const polite = await node().start(sandbox, ["sh", "-c", "trap 'exit 5' TERM; echo on; while :; do sleep 0.05; done"]);
      const deaf = await node().start(sandbox, ["sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.05; done"]);
      for (const id of [polite, deaf]) await eventually("its trap", async () => (await node().log(id)).includes("on"));
      await node().stop(polite, 30n);
      await node().stop(deaf, 1n);
      expect(await node().status(polite)).toMatchObject({ exitCode: 5, reason: "Error" });
      expect(await node().status(deaf)).toMatchObject({ exitCode: 137, reason: "Error" });
      await node().stop(deaf, 1n);
    });

    it("are removed although they run", async () => {
      const id = await node().start(await node().run(), ["sleep", "1000"]);
      await remove(id);
      expect(await node().list({ id })).toEqual([]);
    });

    it("are listed by ID, state, sandbox and labels", async () => {
      const [first, second] = [await node().run(), await node().run()];
      const web = await node().start(first, ["sleep", "1000"], { labels: { app: "web" } });
      const done = await node().start(first, ["true"], { labels: { app: "job" } });
      const other = await node().create(second, { command: ["true"], labels: { app: "web" } });
      await node().exited(done);
      expect(await node().list()).toEqual([web, done, other].sort());
      expect(await node().list({ id: web })).toEqual([web]);
      expect(await node().list({ podSandboxId: first.id })).toEqual([web, done].sort());
      expect(await node().list({ state: { state: ContainerState.CONTAINER_EXITED } })).toEqual([done]);
      expect(await node().list({ labelSelector: { app: "web" } })).toEqual([web, other].sort());
      expect(await node().list({ labelSelector: { app: "web" }, podSandboxId: second.id })).toEqual([other]);
    });

    it("answer NotFound for what is not there", async () => {
      await expect(node().status("none")).rejects.toMatchObject({ code: code.notFound });
      await expect(startAgain("none")).rejects.toMatchObject({ code: code.notFound });
      await expect(node().exec("none", ["true"])).rejects.toMatchObject({ code: code.notFound });
      await expect(node().create({ ...(await node().run()), id: "none" }, {})).rejects.toMatchObject({ code: code.notFound });
      await expect(node().create(await node().run(), { image: { image: "127.0.0.1:5000/test/absent:1" } })).rejects.toMatchObject({
        code: code.notFound,
      });
    });

    it("are stopped and removed without complaint when they are not there", async () => {
      await remove("none");
    });

    it("count what they use", async () => {
      const sandbox = await node().run();
      const id = await node().start(sandbox, ["sleep", "1000"], { labels: { app: "web" } });
      const { stats } = await call(ask(), ask().containerStats, { containerId: id });
      expect(stats?.attributes).toMatchObject({ id, labels: { app: "web" } });
      expect(stats?.cpu?.usageCoreNanoSeconds?.value).toBeGreaterThan(0n);
      expect(stats?.memory?.workingSetBytes?.value).toBeGreaterThan(0n);
      const listed = await call(ask(), ask().listContainerStats, { filter: { id: "", podSandboxId: sandbox.id, labelSelector: {} } });
      expect(listed.stats.map((entry) => entry.attributes?.id)).toEqual([id]);
    });
  });

  describe("logs", () => {
    it("have a time, a stream and a tag on every line", async () => {
      const id = await node().start(await node().run(), ["sh", "-c", "echo out; echo err >&2; printf end"]);
      await node().exited(id);
      const lines = (await node().log(id)).trimEnd().split("\n");
      for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d) (stdout|stderr) [PF] /);
      expect(lines.map((line) => line.split(" ").slice(1).join(" ")).sort()).toEqual(["stderr F err", "stdout F out", "stdout P end"]);
    });

    it("cut lines of more than 16 KiB into parts", async () => {
      const id = await node().start(await node().run(), ["sh", "-c", "dd if=/dev/zero bs=40000 count=1 2>/dev/null | tr '\\0' x; echo"]);
      await node().exited(id);
      const parts = (await node().log(id))
        .trimEnd()
        .split("\n")
        .map((line) => line.split(" "));
      expect(parts.map(([, , tag, text]) => `${tag} ${text?.length}`)).toEqual(["P 16384", "P 16384", "F 7232"]);
    });

    it("go on in a new file after a rotation", async () => {
      const id = await node().start(await node().run(), [
        "sh",
        "-c",
        "echo first; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo second",
      ]);
      await eventually("the first line", async () => (await node().log(id)).includes("first"));
      const { logPath } = await node().status(id);
      renameSync(logPath, `${logPath}.1`);
      await call(ask(), ask().reopenContainerLog, { containerId: id });
      await node().exec(id, ["touch", "/tmp/go"]);
      await node().exited(id);
      expect(textOf(await node().log(id))).toBe("second");
      expect(textOf(readFileSync(`${logPath}.1`, "utf8"))).toBe("first");
      await expect(call(ask(), ask().reopenContainerLog, { containerId: id })).rejects.toMatchObject({ code: code.unknown });
    });
  });

  describe("a killed runtime", () => {
    it("finds running containers, their logs and the ends it missed", async () => {
      const sandbox = await node().run();
      const lasting = await node().start(sandbox, ["sleep", "1000"]);
      const script = "echo before; while [ ! -e /shared/go ]; do sleep 0.05; done; echo meanwhile; exit 42";
      const shared = `${node().place.directory}/shared`;
      const ending = await node().start(sandbox, ["sh", "-c", script], { mounts: [{ containerPath: "/shared", hostPath: shared }] });
      await eventually("its first line", async () => (await node().log(ending)).includes("before"));
      await node().restartRuntime(async () => {
        node().inNode("touch", `${shared}/go`);
      });
      const status = await node().exited(ending);
      expect(status).toMatchObject({ exitCode: 42, reason: "Error" });
      expect(status.finishedAt).toBeGreaterThan(status.startedAt);
      // containerd opens the output of a container that has ended no more: its last words are lost.
      const words = losesLastWords ? "before" : "before\nmeanwhile";
      await eventually("the line it wrote meanwhile", async () => textOf(await node().log(ending)) === words);
      expect((await node().status(lasting)).state).toBe(ContainerState.CONTAINER_RUNNING);
      expect(String((await node().exec(lasting, ["echo", "alive"])).stdout)).toBe("alive\n");
      await node().stop(lasting, 0n);
      expect((await node().status(lasting)).exitCode).toBe(137);
      node().inNode("rm", `${shared}/go`);
    });

    it("knows its images", async () => {
      await node().restartRuntime();
      const images = node().client.images;
      const { image } = await call(images, images.imageStatus, {
        image: { image: busyboxImage, annotations: {}, userSpecifiedImage: "", runtimeHandler: "" },
        verbose: false,
      });
      expect(image?.id).toBe(node().images.busyboxID);
    });
  });
}
