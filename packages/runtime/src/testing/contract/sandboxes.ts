import { ContainerState, PodSandboxState } from "@lenj/proto/cri";
import { call } from "../cri-client.js";
import { type ContractNode, code } from "./contract-node.js";

export function describeSandboxes(node: () => ContractNode): void {
  const ask = () => node().client.runtime;
  const stop = (podSandboxId: string) => call(ask(), ask().stopPodSandbox, { podSandboxId });
  const remove = (podSandboxId: string) => call(ask(), ask().removePodSandbox, { podSandboxId });
  const list = async (filter: object) => {
    const answer = await call(ask(), ask().listPodSandbox, { filter: { id: "", state: undefined, labelSelector: {}, ...filter } });
    return answer.items.map((item) => item.id).sort();
  };

  describe("sandboxes", () => {
    it("names its version and its conditions", async () => {
      expect(await call(ask(), ask().version, { version: "v1" })).toMatchObject({ version: "0.1.0", runtimeApiVersion: "v1" });
      const { status } = await call(ask(), ask().status, { verbose: false });
      expect(status?.conditions.map(({ type, status: isTrue }) => `${type}=${isTrue}`).slice(0, 2)).toEqual([
        "RuntimeReady=true",
        "NetworkReady=true",
      ]);
    });

    it("are ready with what they were asked for, and an address", async () => {
      const sandbox = await node().run({ labels: { app: "web" }, annotations: { note: "kept" } });
      const status = await node().sandboxStatus(sandbox.id);
      expect(status).toMatchObject({
        id: sandbox.id,
        state: PodSandboxState.SANDBOX_READY,
        metadata: sandbox.config.metadata,
        labels: { app: "web" },
        annotations: { note: "kept" },
      });
      expect(status.network?.ip).toMatch(/^10\.244\.\d+\.\d+$/);
      expect(status.createdAt).toBeGreaterThan(0n);
    });

    it("stop and go away, each as often as asked", async () => {
      const { id } = await node().run();
      await stop(id);
      await stop(id);
      expect((await node().sandboxStatus(id)).state).toBe(PodSandboxState.SANDBOX_NOTREADY);
      await remove(id);
      await remove(id);
      await expect(node().sandboxStatus(id)).rejects.toMatchObject({ code: code.notFound });
      expect(await list({ id })).toEqual([]);
    });

    it("exist once for a pod's attempt", async () => {
      const { config } = await node().run();
      await expect(call(ask(), ask().runPodSandbox, { config, runtimeHandler: "" })).rejects.toMatchObject({
        code: code.unknown,
        details: expect.stringContaining("is reserved for"),
      });
    });

    it("free their name for the next one when they go", async () => {
      const { id, config } = await node().run();
      await stop(id);
      await remove(id);
      const again = await call(ask(), ask().runPodSandbox, { config, runtimeHandler: "" });
      expect(again.podSandboxId).not.toBe(id);
    });

    it("are listed by ID, state and labels", async () => {
      const web = await node().run({ labels: { app: "web", tier: "front" } });
      const db = await node().run({ labels: { app: "db" } });
      await stop(db.id);
      expect(await list({})).toEqual([web.id, db.id].sort());
      expect(await list({ id: web.id })).toEqual([web.id]);
      expect(await list({ state: { state: PodSandboxState.SANDBOX_READY } })).toEqual([web.id]);
      expect(await list({ state: { state: PodSandboxState.SANDBOX_NOTREADY } })).toEqual([db.id]);
      expect(await list({ labelSelector: { app: "web", tier: "front" } })).toEqual([web.id]);
      expect(await list({ labelSelector: { app: "web", tier: "back" } })).toEqual([]);
    });

    it("stop their containers, which stay to be asked", async () => {
      const sandbox = await node().run();
      const id = await node().start(sandbox, ["sleep", "1000"]);
      await stop(sandbox.id);
      expect(await node().status(id)).toMatchObject({ state: ContainerState.CONTAINER_EXITED, exitCode: 137 });
      expect(await node().list({ podSandboxId: sandbox.id })).toEqual([id]);
    });

    it("take no container once stopped", async () => {
      const sandbox = await node().run();
      await stop(sandbox.id);
      await expect(node().create(sandbox, { command: ["true"] })).rejects.toMatchObject({
        code: code.notFound,
        details: expect.stringContaining("no running task found"),
      });
    });

    it("take their containers with them, also running ones", async () => {
      const sandbox = await node().run();
      const id = await node().start(sandbox, ["sleep", "1000"]);
      await remove(sandbox.id);
      await expect(node().status(id)).rejects.toMatchObject({ code: code.notFound });
      expect(await node().list({ podSandboxId: sandbox.id })).toEqual([]);
    });

    it("give their containers a host name, name servers and one network", async () => {
      const sandbox = await node().run({ dnsConfig: { servers: ["10.96.0.10"], searches: ["svc.local"], options: ["ndots:5"] } });
      const first = await node().output("hostname; cat /etc/resolv.conf", {}, sandbox);
      expect(first.text).toBe(`${sandbox.config.hostname}\nsearch svc.local\nnameserver 10.96.0.10\noptions ndots:5`);
      await node().start(sandbox, ["sh", "-c", "echo from neighbour | nc -l -p 7000"]);
      const heard = await node().output("until nc -w 1 127.0.0.1 7000 </dev/null; do :; done 2>/dev/null", {}, sandbox);
      expect(heard.text).toBe("from neighbour");
    });

    it("answer NotFound for what is not there", async () => {
      await expect(node().sandboxStatus("none")).rejects.toMatchObject({ code: code.notFound });
    });

    it("count what they use", async () => {
      const sandbox = await node().run();
      const id = await node().start(sandbox, ["sleep", "1000"]);
      const { stats } = await call(ask(), ask().podSandboxStats, { podSandboxId: sandbox.id });
      expect(stats?.attributes?.id).toBe(sandbox.id);
      expect(stats?.linux?.containers.map((container) => container.attributes?.id)).toEqual([id]);
    });
  });
}
