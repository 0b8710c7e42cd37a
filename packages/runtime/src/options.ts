// Command line of the runtime.
import { type FlagValues, intFlag, listFlag, stringFlag } from "@lenj/component-base";

export const runtimeFlags = {
  listen: stringFlag("Where the CRI is served: unix:///path of a socket", "unix:///run/lenj/runtime.sock"),
  root: stringFlag("Directory of what survives a reboot: images, containers' files and records", "/var/lib/lenj/runtime"),
  state: stringFlag("Directory of what must not survive a reboot, usually below /run", "/run/lenj/runtime"),
  "streaming-address": stringFlag("Address of the exec, attach and port-forward server", "127.0.0.1"),
  "streaming-port": intFlag("Port of the exec, attach and port-forward server; 0 picks one", 0),
  "registry-mirror": listFlag("Base URL of a registry asked first for every image; may be repeated"),
  "shared-image-root": stringFlag("Directory of image files shared with other nodes of this host; empty: below --root"),
  "pod-cidr": stringFlag("Range of pod addresses until the kubelet sets one"),
  "seccomp-profile-root": stringFlag("Directory of localhost seccomp profiles with relative names", "/var/lib/kubelet/seccomp"),
  "health-address": stringFlag("Address of health and metrics", "127.0.0.1"),
  "health-port": intFlag("Port of health and metrics; 0 turns them off", 0),
} as const;

export type RuntimeFlagValues = FlagValues<typeof runtimeFlags>;

/** Everything wrong with the options beyond single flags. */
export function validateOptions(options: RuntimeFlagValues): string[] {
  const problems: string[] = [];
  if (!/^unix:\/\/\/./.test(options.listen)) problems.push(`--listen ${JSON.stringify(options.listen)}: must be unix:///path`);
  for (const [flag, path] of [["root", options.root], ["state", options.state]] as const) {
    if (!path.startsWith("/")) problems.push(`--${flag} ${JSON.stringify(path)}: must be an absolute path`);
  }
  // The overlay file system's options have no way to name such a directory.
  for (const [flag, path] of [["root", options.root], ["shared-image-root", options.sharedImageRoot]] as const) {
    if (/[,:\\]/.test(path)) problems.push(`--${flag} ${JSON.stringify(path)}: may not contain ',', ':' or '\\'`);
  }
  if (options.root === options.state) problems.push("--root and --state: must be different directories");
  for (const mirror of options.registryMirror) if (!/^https?:\/\//.test(mirror)) problems.push(`--registry-mirror ${JSON.stringify(mirror)}: must start with http:// or https://`);
  return problems;
}
