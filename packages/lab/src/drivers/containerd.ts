// Configuration of one containerd in a node's capsule, for labs that use the machine's containerd instead of the embedded runtime.
import { mkdirSync, writeFileSync } from "node:fs";

/** Writes containerd.toml, its registry hosts file and the CNI template into a node's folder. */
export function writeContainerdConfig(folder: string, registryMirror: string): void {
  mkdirSync(`${folder}/containerd/certs.d/_default`, { recursive: true });
  mkdirSync(`${folder}/cni`, { recursive: true });
  writeFileSync(
    `${folder}/containerd/certs.d/_default/hosts.toml`,
    `server = "${registryMirror}"\n[host."${registryMirror}"]\n  capabilities = ["pull", "resolve"]\n`,
  );
  // containerd writes the CNI configuration itself, once the kubelet tells it the node's pod range.
  writeFileSync(
    `${folder}/cni-template.json`,
    JSON.stringify({
      cniVersion: "0.3.1",
      name: "lenj",
      plugins: [
        {
          type: "ptp",
          mtu: 1500,
          ipam: { type: "host-local", dataDir: "/run/cni-ipam", ranges: [[{ subnet: "{{.PodCIDR}}" }]], routes: [{ dst: "0.0.0.0/0" }] },
        },
        { type: "portmap", capabilities: { portMappings: true } },
      ],
    }),
  );
  writeFileSync(
    `${folder}/containerd.toml`,
    `version = 2
root = "${folder}/containerd/root"
state = "/run/containerd/state"
[grpc]
  address = "/run/containerd/containerd.sock"
[metrics]
  address = ""
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "lenj.local/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/run/cni-conf"
  conf_template = "${folder}/cni-template.json"
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "${folder}/containerd/certs.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
`,
  );
}
