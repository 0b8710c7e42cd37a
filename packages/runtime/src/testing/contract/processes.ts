import { MountPropagation, NamespaceMode } from "@lenj/proto/cri";
import { eventually } from "../node-harness.js";
import { type ContractNode, code } from "./contract-node.js";

const own = { namespaceOptions: { pid: NamespaceMode.CONTAINER } };

export function describeProcesses(node: () => ContractNode): void {
  describe("exec", () => {
    it("gives output and exit code", async () => {
      const id = await node().start(await node().run(), ["sleep", "1000"]);
      const answer = await node().exec(id, ["sh", "-c", "echo hi; echo no >&2; exit 3"]);
      expect([answer.exitCode, String(answer.stdout), String(answer.stderr)]).toEqual([3, "hi\n", "no\n"]);
      expect((await node().exec(id, ["true"], 30n)).exitCode).toBe(0);
    });

    it("ends a command that takes too long", async () => {
      const id = await node().start(await node().run(), ["sleep", "1000"]);
      await expect(node().exec(id, ["sleep", "1000"], 1n)).rejects.toMatchObject({ code: code.deadlineExceeded });
    });

    it("says that there is no such program", async () => {
      const id = await node().start(await node().run(), ["sleep", "1000"]);
      await expect(node().exec(id, ["nonsense"])).rejects.toMatchObject({
        code: code.unknown,
        details: expect.stringContaining('exec: "nonsense": executable file not found in $PATH'),
      });
    });

    it("refuses a container that does not run", async () => {
      const id = await node().start(await node().run(), ["true"]);
      await node().exited(id);
      await expect(node().exec(id, ["true"])).rejects.toMatchObject({ code: code.unknown });
    });

    it("runs as the container does", async () => {
      const id = await node().start(await node().run(), ["sleep", "1000"], {
        envs: [{ key: "WORD", value: "known" }],
        workingDir: "/etc",
        linux: { securityContext: { ...own, runAsUser: { value: 1000n } } },
      });
      expect(String((await node().exec(id, ["sh", "-c", "id -u; echo $WORD; pwd"])).stdout)).toBe("1000\nknown\n/etc\n");
    });
  });

  describe("processes", () => {
    it("take command and arguments from the image where none are given", async () => {
      const of = async (more: object): Promise<string> => {
        const id = await node().start(await node().run(), [], more);
        await node().exited(id);
        return (await node().log(id)).trimEnd().split(" ").slice(3).join(" ");
      };
      expect(await of({})).toBe("from image");
      expect(await of({ args: ["own"] })).toBe("own");
      expect(await of({ command: ["/bin/echo", "all"] })).toBe("all");
    });

    it("have the image's environment under their own", async () => {
      const { text } = await node().output("echo $FROM_IMAGE $OVER $MORE; echo $HOME; pwd", {
        envs: [
          { key: "OVER", value: "own" },
          { key: "MORE", value: "a b=c" },
        ],
      });
      expect(text).toBe("yes own a b=c\n/root\n/tmp");
    });

    it("stand in a working directory that is made for them", async () => {
      expect((await node().output("pwd", { workingDir: "/made/for/it" })).text).toBe("/made/for/it");
    });

    it.each([
      ["a number", { runAsUser: { value: 1000n } }, "uid=1000(alice) gid=1000(alice) groups=44(video),1000(alice)"],
      ["a name", { runAsUsername: "alice" }, "uid=1000(alice) gid=1000(alice) groups=44(video),1000(alice)"],
      ["a stranger", { runAsUser: { value: 5000n } }, "uid=5000 gid=0(root) groups=0(root)"],
      ["user and group", { runAsUser: { value: 1000n }, runAsGroup: { value: 7n } }, "uid=1000(alice) gid=7 groups=7,44(video)"],
      ["more groups", { runAsUser: { value: 5000n }, supplementalGroups: [9n] }, "uid=5000 gid=0(root) groups=0(root),9"],
    ])("run as %s", async (_, user, expected) => {
      expect((await node().output("id", { linux: { securityContext: { ...own, ...user } } })).text).toBe(expected);
    });

    it("refuse a group without user and a user that is not there", async () => {
      const sandbox = await node().run();
      const create = (context: object) => node().create(sandbox, { command: ["true"], linux: { securityContext: { ...own, ...context } } });
      await expect(create({ runAsGroup: { value: 7n } })).rejects.toMatchObject({ code: expect.any(Number) });
      await expect(create({ runAsUsername: "nobody-here" })).rejects.toMatchObject({ code: code.unknown });
    });

    it("have the capabilities asked for, and a root that may be read only", async () => {
      const { text } = await node().output("grep CapEff /proc/self/status; touch /x 2>/dev/null || echo refused", {
        linux: {
          securityContext: { ...own, readonlyRootfs: true, capabilities: { addCapabilities: ["NET_ADMIN"], dropCapabilities: ["ALL"] } },
        },
      });
      expect(text).toBe("CapEff:\t0000000000001000\nrefused");
      const standard = await node().output("grep CapEff /proc/self/status; touch /x && echo made");
      expect(standard.text).toBe("CapEff:\t00000000a80425fb\nmade");
    });

    it("obey limits of memory", async () => {
      const resources = { memoryLimitInBytes: 32n * 1024n * 1024n };
      const linux = { resources, securityContext: own };
      const { text } = await node().output("cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max", {
        linux,
      });
      expect(text).toBe("33554432");
      const id = await node().start(await node().run(), ["sh", "-c", "x=a; while :; do x=$x$x; done"], { linux });
      expect(await node().exited(id)).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
    });
  });

  describe("mounts", () => {
    it("are writable unless read only", async () => {
      const hostPath = `${node().place.directory}/shared`;
      node().inNode("sh", "-c", `echo node > ${hostPath}/f`);
      const { text } = await node().output("cat /ro/f; echo no > /ro/f || echo refused; echo own > /rw/f", {
        mounts: [
          { containerPath: "/ro", hostPath, readonly: true },
          { containerPath: "/rw", hostPath },
        ],
      });
      expect(text.split("\n").filter((line) => line === "node" || line === "refused")).toEqual(["node", "refused"]);
      expect(node().inNode("cat", `${hostPath}/f`)).toBe("own\n");
    });

    it("follow the node's only where that is asked for", async () => {
      const hostPath = `${node().place.directory}/shared`;
      const id = await node().start(await node().run(), ["sleep", "1000"], {
        mounts: [
          { containerPath: "/private", hostPath, propagation: MountPropagation.PROPAGATION_PRIVATE },
          { containerPath: "/follows", hostPath, propagation: MountPropagation.PROPAGATION_HOST_TO_CONTAINER },
        ],
      });
      node().inNode("sh", "-c", `mkdir -p ${hostPath}/sub && mount -t tmpfs later ${hostPath}/sub && touch ${hostPath}/sub/seen`);
      try {
        const seen = (path: string) =>
          node()
            .exec(id, ["ls", `${path}/sub`])
            .then(({ stdout }) => String(stdout));
        await eventually("the mount in the container", async () => (await seen("/follows")) === "seen\n");
        expect(await seen("/private")).toBe("");
      } finally {
        node().inNode("umount", `${hostPath}/sub`);
      }
    });
  });
}
