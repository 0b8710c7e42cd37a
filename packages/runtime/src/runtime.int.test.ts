import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { silentLogger } from "@lenj/base";
import {
  ContainerConfig,
  ContainerState,
  LinuxContainerResources,
  NamespaceMode,
  PodSandboxConfig,
  PodSandboxState,
} from "@lenj/proto/cri";
import { ImageStore } from "./drivers/images/image-store.js";
import { Launcher } from "./drivers/launcher.js";
import { observeNodeRights } from "./drivers/node-facts.js";
import { busyboxLayer, busyboxPath } from "./testing/busybox-image.js";
import { type CRIClient, call, connectCRI } from "./testing/cri-client.js";
import { createTestNode, eventually, type TestNode } from "./testing/node-harness.js";
import { TestRegistry } from "./testing/test-registry.js";

const isRoot = process.geteuid?.() === 0;
const describeNode = isRoot && busyboxPath !== undefined ? describe : describe.skip;

describeNode("runtime on a node of namespaces", () => {
  let node: TestNode;
  let client: CRIClient;
  let count = 0;
  const sandboxConfig = (): PodSandboxConfig =>
    PodSandboxConfig.fromPartial({
      metadata: { name: `pod-${++count}`, uid: `uid-${count}`, namespace: "default", attempt: 0 },
      hostname: `pod-${count}`,
      logDirectory: join(node.directory, "logs", `pod-${count}`),
      linux: { cgroupParent: node.cgroupParent, securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } } },
    });
  const run = async (config = sandboxConfig()): Promise<{ id: string; config: PodSandboxConfig }> => {
    const { podSandboxId } = await call(client.runtime, client.runtime.runPodSandbox, { config, runtimeHandler: "" });
    return { id: podSandboxId, config };
  };
  const start = async (sandbox: { id: string; config: PodSandboxConfig }, command: string[], extra: object = {}): Promise<string> => {
    const name = `c-${++count}`;
    const config = ContainerConfig.fromPartial({
      metadata: { name, attempt: 0 },
      image: { image: "busybox" },
      command,
      logPath: `${name}.log`,
      linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } } },
      ...extra,
    });
    const { containerId } = await call(client.runtime, client.runtime.createContainer, {
      podSandboxId: sandbox.id,
      config,
      sandboxConfig: sandbox.config,
    });
    await call(client.runtime, client.runtime.startContainer, { containerId });
    return containerId;
  };
  const status = async (containerId: string) =>
    (await call(client.runtime, client.runtime.containerStatus, { containerId, verbose: false })).status;
  const exited = (id: string) =>
    eventually("container exit", async () => {
      const current = await status(id);
      return current?.state === ContainerState.CONTAINER_EXITED ? current : undefined;
    });
  const logOf = async (id: string) => readFileSync((await status(id))?.logPath ?? "", "utf8");
  const textOf = (log: string): string =>
    log
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split(" ").slice(3).join(" "))
      .join("\n");
  const exec = (containerId: string, cmd: string[], timeout = 0n) =>
    call(client.runtime, client.runtime.execSync, { containerId, cmd, timeout });

  beforeAll(async () => {
    const registry = new TestRegistry();
    await registry.listen();
    await registry.add({
      name: "library/busybox:latest",
      layers: [busyboxLayer(), [{ header: { name: "tmp/.wh.nothing" } }]],
      config: { Env: ["FROM_IMAGE=yes"], Cmd: ["sh"] },
    });
    // The node has no network of the machine's: the image is pulled outside of it, into the same directories.
    node = await createTestNode();
    const rights = observeNodeRights();
    const root = join(node.directory, "root");
    const launcher = new Launcher(join(node.directory, "outside"), rights.architecture);
    // As the runtime itself will: the same index and store.
    const userName = createHash("sha256").update(root).digest("hex").slice(0, 16);
    const images = new ImageStore({
      indexDirectory: root,
      storeDirectory: join(root, "images"),
      userName,
      mirrors: [registry.url],
      rights,
      launcher,
      logger: silentLogger,
    });
    await images.pull("busybox", undefined, new AbortController().signal);
    await registry.close();
    await node.startRuntime();
    client = connectCRI(node.socket);
  }, 60_000);

  afterAll(async () => {
    for (const { id } of (await call(client.runtime, client.runtime.listPodSandbox, { filter: undefined })).items)
      await call(client.runtime, client.runtime.removePodSandbox, { podSandboxId: id });
    client.close();
    const parents = readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name, node.cgroupParent));
    await node.close();
    for (const parent of parents) if (existsSync(parent)) rmdirSync(parent);
  }, 60_000);

  it("runs a container to its end: log, exit code, environment, user", async () => {
    const sandbox = await run();
    const id = await start(sandbox, ["sh", "-c", "echo out $FROM_IMAGE $HOSTNAME; id; echo err >&2; exit 7"], {
      linux: {
        securityContext: {
          runAsUser: { value: 1000n },
          namespaceOptions: { pid: NamespaceMode.CONTAINER },
          seccomp: { profileType: 0, localhostRef: "" },
          noNewPrivs: true,
        },
      },
    });
    const end = await exited(id);
    expect({ code: end.exitCode, reason: end.reason }).toEqual({ code: 7, reason: "Error" });
    const log = await logOf(id);
    expect(log).toMatch(/^\d{4}-\d\d-\d\dT[\d:]+(\.\d+)?Z stdout F out yes pod-/);
    expect(textOf(log).split("\n").sort()).toEqual(
      ["err", `out yes ${sandbox.config.hostname}`, "uid=1000(alice) gid=1000(alice) groups=44(video),1000(alice)"].sort(),
    );
  }, 30_000);

  it("execs with exit codes, timeouts and missing programs", async () => {
    const id = await start(await run(), ["sleep", "1000"]);
    const answer = await exec(id, ["sh", "-c", "echo hi; echo no >&2; exit 3"]);
    expect({ code: answer.exitCode, out: String(answer.stdout), err: String(answer.stderr) }).toEqual({
      code: 3,
      out: "hi\n",
      err: "no\n",
    });
    await expect(exec(id, ["sleep", "100"], 1n)).rejects.toMatchObject({ code: 4 });
    await expect(exec(id, ["nonsense"])).rejects.toMatchObject({
      code: 2,
      details: expect.stringContaining('exec: "nonsense": executable file not found in $PATH'),
    });
  }, 30_000);

  it("answers a command that cannot be executed with StartError and 128", async () => {
    const sandbox = await run();
    await expect(start(sandbox, ["/no/such"])).rejects.toMatchObject({ code: 2 });
    const { containers } = await call(client.runtime, client.runtime.listContainers, {
      filter: { id: "", state: undefined, podSandboxId: sandbox.id, labelSelector: {} },
    });
    expect(await status(containers[0]?.id ?? "")).toMatchObject({ exitCode: 128, reason: "StartError", startedAt: 0n });
  }, 30_000);

  it("stops with the signal, and with SIGKILL after the grace", async () => {
    const sandbox = await run();
    const polite = await start(sandbox, ["sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done"]);
    const deaf = await start(sandbox, ["sleep", "1000"]);
    await call(client.runtime, client.runtime.stopContainer, { containerId: polite, timeout: 20n });
    await call(client.runtime, client.runtime.stopContainer, { containerId: deaf, timeout: 1n });
    expect((await status(polite))?.exitCode).toBe(5);
    expect(await status(deaf)).toMatchObject({ exitCode: 137, reason: "Error" });
  }, 40_000);

  it("loses no output and no exit code when the runtime is killed", async () => {
    const sandbox = await run();
    const id = await start(sandbox, ["sh", "-c", "for i in $(seq 1 40); do echo line $i; sleep 0.05; done; exit 42"]);
    await eventually("first lines", async () => (await logOf(id)).includes("line 3\n"));
    const log = (await status(id))?.logPath ?? "";
    await node.killRuntime();
    await node.startRuntime();
    client.close();
    client = connectCRI(node.socket);
    expect((await exited(id)).exitCode).toBe(42);
    expect(textOf(readFileSync(log, "utf8"))).toBe(Array.from({ length: 40 }, (_, index) => `line ${index + 1}`).join("\n"));
    expect((await call(client.runtime, client.runtime.podSandboxStatus, { podSandboxId: sandbox.id, verbose: false })).status?.state).toBe(
      PodSandboxState.SANDBOX_READY,
    );
  }, 40_000);

  it("connects two pods", async () => {
    const server = await run();
    await start(server, ["sh", "-c", "echo from server | nc -l -p 8080"]);
    const ip =
      (await call(client.runtime, client.runtime.podSandboxStatus, { podSandboxId: server.id, verbose: false })).status?.network?.ip ?? "";
    const other = await start(await run(), ["sleep", "1000"]);
    const answer = await eventually("an answer", async () => {
      const { stdout } = await exec(other, ["sh", "-c", `nc -w 5 ${ip} 8080 </dev/null`]);
      return String(stdout) || undefined;
    });
    expect(answer).toBe("from server\n");
  }, 30_000);

  it("says OOMKilled when memory ran out", async () => {
    const resources = LinuxContainerResources.fromPartial({ memoryLimitInBytes: 16n * 1024n * 1024n });
    const id = await start(await run(), ["sh", "-c", "x=a; while :; do x=$x$x; done"], {
      linux: { resources, securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } } },
    });
    expect(await exited(id)).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
  }, 30_000);

  it("gives a terminal", async () => {
    const id = await start(await run(), ["sh", "-c", "stty size; test -t 0 && echo terminal; ls -l /dev/console"], { tty: true });
    const end = await exited(id);
    expect(end.exitCode).toBe(0);
    expect(await logOf(id)).toContain("terminal");
  }, 30_000);

  it("streams exec over WebSocket v5 with half-close, and port-forward over v4", async () => {
    const pod = await run();
    const id = await start(pod, ["sh", "-c", "while :; do echo pong | nc -l -p 9000; done"]);
    const { url } = await call(client.runtime, client.runtime.exec, {
      containerId: id,
      cmd: ["sh", "-c", "cat; exit 3"],
      tty: false,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    const answer = await converse(node, url, "v5.channel.k8s.io", [
      [0, "hello"],
      [255, "\0"],
    ]);
    expect(answer[1]).toBe("hello");
    expect(JSON.parse(answer[3] ?? "")).toMatchObject({
      status: "Failure",
      reason: "NonZeroExitCode",
      details: { causes: [{ reason: "ExitCode", message: "3" }] },
    });
    await expect(converse(node, url, "v5.channel.k8s.io", [])).rejects.toThrow("404");
    const terminal = await call(client.runtime, client.runtime.exec, {
      containerId: id,
      cmd: ["sh", "-c", "read x; stty size; tty"],
      tty: true,
      stdin: true,
      stdout: true,
      stderr: false,
    });
    expect(
      (
        await converse(node, terminal.url, "v4.channel.k8s.io", [
          [4, '{"Width":120,"Height":33}'],
          [0, "go\r"],
        ])
      )[1],
    ).toMatch(/33 120\r\n/);
    const forward = await call(client.runtime, client.runtime.portForward, { podSandboxId: pod.id, port: [9000, 9001] });
    const forwarded = await converse(node, forward.url, "v4.channel.k8s.io", []);
    expect(forwarded[0]).toBe("\x28\x23pong\n");
    expect(forwarded[3]).toContain("connection refused");
  }, 40_000);

  it("attaches: output to the client, input to the container, its end to both", async () => {
    const id = await start(await run(), ["sh", "-c", "cat; echo done; sleep 0.2; exit 0"], { stdin: true, stdinOnce: true });
    const { url } = await call(client.runtime, client.runtime.attach, {
      containerId: id,
      stdin: true,
      tty: false,
      stdout: true,
      stderr: true,
    });
    const answer = await converse(node, url, "v5.channel.k8s.io", [
      [0, "typed\n"],
      [255, "\0"],
    ]);
    expect(answer[1]).toBe("typed\ndone\n");
    expect((await exited(id)).exitCode).toBe(0);
  }, 30_000);

  it("keeps limits, read-only roots, mounts and capabilities", async () => {
    const shared = join(node.directory, "given");
    mkdirSync(shared);
    const id = await start(
      await run(),
      [
        "sh",
        "-c",
        "touch /x || echo ro; echo data > /data/sub/f && grep CapEff /proc/self/status; cat /proc/1/comm; ls /sys/fs/cgroup | wc -l; echo no > /frozen/f || echo roMount; ls /dev",
      ],
      {
        mounts: [
          { containerPath: "/data/sub", hostPath: shared },
          { containerPath: "/frozen", hostPath: shared, readonly: true },
        ],
        linux: {
          securityContext: {
            readonlyRootfs: true,
            capabilities: { addCapabilities: ["NET_ADMIN"], dropCapabilities: ["ALL"] },
            maskedPaths: ["/proc/kcore", "/proc/missing"],
            readonlyPaths: ["/proc/sys"],
            namespaceOptions: { pid: NamespaceMode.CONTAINER },
          },
        },
      },
    );
    expect((await exited(id)).exitCode).toBe(0);
    const text = textOf(await logOf(id));
    expect(text).toContain("ro\n");
    expect(text).toContain("roMount");
    expect(text).toContain("0000000000001000");
    expect(readFileSync(join(shared, "f"), "utf8")).toBe("data\n");
  }, 30_000);

  it("removes everything of a pod, twice", async () => {
    const pod = await run();
    await start(pod, ["sleep", "1000"]);
    for (let time = 0; time < 2; time++) {
      await call(client.runtime, client.runtime.stopPodSandbox, { podSandboxId: pod.id });
      await call(client.runtime, client.runtime.removePodSandbox, { podSandboxId: pod.id });
    }
    await expect(call(client.runtime, client.runtime.podSandboxStatus, { podSandboxId: pod.id, verbose: false })).rejects.toMatchObject({
      code: 5,
    });
  }, 30_000);
});

/** Sends messages on a stream from inside the node and gathers what comes back by channel, until the server closes. */
function converse(node: TestNode, url: string, protocol: string, messages: [number, string][]): Promise<Record<number, string>> {
  const script = `import { WebSocket } from "ws";
const s = new WebSocket(process.argv[1].replace("http", "ws"), process.argv[2]); const out = {};
s.on("message", (d) => { out[d[0]] = (out[d[0]] ?? "") + d.subarray(1).toString("latin1"); });
s.on("open", () => { for (const [c, t] of JSON.parse(process.argv[3])) s.send(Buffer.concat([Buffer.of(c), Buffer.from(t)])); });
s.on("close", () => console.log(JSON.stringify(out))); s.on("error", (e) => { console.error(e.message); process.exit(1); });`;
  return new Promise((resolve, reject) => {
    execFile(
      "nsenter",
      [
        "--target",
        String(node.initPID),
        "--net",
        "--",
        process.execPath,
        "--input-type=module",
        "-e",
        script,
        url,
        protocol,
        JSON.stringify(messages),
      ],
      { timeout: 15_000 },
      (error, stdout, stderr) =>
        error === null ? resolve(JSON.parse(stdout) as Record<number, string>) : reject(new Error(stderr || error.message)),
    );
  });
}
