// A containerd of its own for a test's node: configuration, images and network, all under one folder, nothing pulled from outside.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, openSync } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface ContainerdNode {
  readonly endpoint: string;
  readonly process: ChildProcess;
}

/** Starts containerd below `folder` and imports the test images. Needs to run inside a capsule. */
export async function startContainerd(folder: string): Promise<ContainerdNode> {
  const socket = join(folder, "containerd.sock");
  await mkdir(join(folder, "net.d"), { recursive: true });
  await writeFile(join(folder, "net.d", "10-lenj.conflist"), JSON.stringify(networkConfiguration(folder)));
  await writeFile(join(folder, "containerd.toml"), containerdConfiguration(folder, socket));
  const log = openSync(join(folder, "containerd.log"), "a");
  const process = spawn("containerd", ["--config", join(folder, "containerd.toml")], { stdio: ["ignore", log, log] });
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (await stat(socket).catch(() => undefined)) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const archive = join(folder, "images.tar");
  await writeImages(archive);
  await run("ctr", ["--address", socket, "--namespace", "k8s.io", "images", "import", archive]);
  return { endpoint: `unix://${socket}`, process };
}

function containerdConfiguration(folder: string, socket: string): string {
  return `version = 2
root = "${folder}/root"
state = "/run/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "${socket}"
[metrics]
  address = ""
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "lenj.local/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "/run/containerd-state/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/net.d"
`;
}

function networkConfiguration(folder: string): object {
  return {
    cniVersion: "0.4.0",
    name: "lenj",
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        ipam: {
          type: "host-local",
          dataDir: join(folder, "ipam"),
          ranges: [[{ subnet: "10.244.77.0/24" }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}

/** Names of the images in the archive. */
export const testImage = "lenj.local/busybox:1";

// docker-archive with two images of one layer: busybox with its applets, and a pause that sleeps.
async function writeImages(path: string): Promise<void> {
  const { pack } = await import("tar-stream");
  const busybox = await readFile(await firstPresent(["/bin/busybox", "/usr/bin/busybox"]));
  const { stdout } = await run("busybox", ["--list"]);
  const layer = pack();
  for (const folder of ["bin", "etc", "tmp", "dev", "proc", "sys", "data"])
    layer.entry({ name: `${folder}/`, type: "directory", mode: folder === "tmp" ? 0o1777 : 0o755 });
  layer.entry({ name: "bin/busybox", mode: 0o755 }, busybox);
  for (const applet of stdout.split("\n").filter((name) => name !== "" && name !== "busybox"))
    layer.entry({ name: `bin/${applet}`, type: "symlink", linkname: "busybox" });
  layer.entry({ name: "etc/passwd", mode: 0o644 }, "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n");
  layer.finalize();
  const layerBytes = await collect(layer);
  const layerDigest = createHash("sha256").update(layerBytes).digest("hex");
  const configure = (cmd: string[]): Buffer =>
    Buffer.from(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config: { Env: ["PATH=/bin"], Cmd: cmd },
        rootfs: { type: "layers", diff_ids: [`sha256:${layerDigest}`] },
        history: [{ created_by: "lenj" }],
      }),
    );
  const archive = pack();
  archive.entry({ name: "layer.tar" }, layerBytes);
  const manifest = [];
  for (const [tag, cmd] of [
    ["lenj.local/pause:1", ["/bin/busybox", "sleep", "1000000"]],
    [testImage, ["/bin/sh"]],
  ] as const) {
    const config = configure([...cmd]);
    const name = `${createHash("sha256").update(config).digest("hex")}.json`;
    archive.entry({ name }, config);
    manifest.push({ Config: name, RepoTags: [tag], Layers: ["layer.tar"] });
  }
  archive.entry({ name: "manifest.json" }, JSON.stringify(manifest));
  archive.finalize();
  await pipeline(archive, createWriteStream(path));
}

async function collect(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function firstPresent(paths: readonly string[]): Promise<string> {
  for (const path of paths) if (await stat(path).catch(() => undefined)) return path;
  throw new Error(`None of ${paths.join(", ")} is there`);
}
