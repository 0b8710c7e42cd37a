// Debian's containerd in a test's node: what the CRI contract compares with.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pauseImage } from "./contract-images.js";
import { type RuntimeStarter, spawnIn } from "./node-harness.js";

export const startContainerd: RuntimeStarter = ({ directory, socket, enter }) => {
  const folder = join(directory, "containerd");
  mkdirSync(join(folder, "net.d"), { recursive: true });
  writeFileSync(join(folder, "net.d", "10-lenj.conflist"), JSON.stringify(network(folder)));
  writeFileSync(join(folder, "containerd.toml"), configuration(directory, folder, socket));
  return spawnIn(enter, ["containerd", "--log-level=fatal", "--config", join(folder, "containerd.toml")]);
};

function configuration(directory: string, folder: string, socket: string): string {
  return `version = 2
root = "${folder}/root"
state = "${directory}/state/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "${socket}"
[metrics]
  address = ""
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "${directory}/state/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/net.d"
`;
}

function network(folder: string): object {
  const ipam = {
    type: "host-local",
    dataDir: join(folder, "ipam"),
    ranges: [[{ subnet: "10.244.8.0/24" }]],
    routes: [{ dst: "0.0.0.0/0" }],
  };
  return { cniVersion: "0.4.0", name: "lenj", plugins: [{ type: "bridge", bridge: "cni0", isGateway: true, ipMasq: false, ipam }] };
}
