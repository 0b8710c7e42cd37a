import { type FlagValues, intFlag, listFlag, stringFlag } from "@lenj/component-base";

export const runtimeFlags = {
  listen: stringFlag("Unix socket of the CRI server", "unix:///run/lenj/runtime.sock"),
  root: stringFlag("Folder of images and containers; survives a reboot of the node", "/var/lib/lenj/runtime"),
  state: stringFlag("Folder of what runs; must be gone after a reboot of the node", "/run/lenj/runtime"),
  "streaming-address": stringFlag("Address of the exec, attach and port-forward server", "127.0.0.1"),
  "streaming-port": intFlag("Port of that server; 0 picks one", 0),
  "registry-mirror": listFlag("Registries asked first for every image, as URLs"),
  "registry-certs": stringFlag("Folder of registries' CA certificates: <folder>/<host[:port]>/ca.crt", "/etc/containerd/certs.d"),
  "shared-image-root": stringFlag("Folder of unpacked images that several nodes of a machine share; empty: of this node alone"),
  "pod-cidr": stringFlag("Range of pod addresses until the kubelet names one"),
  "seccomp-profile-root": stringFlag("Folder of Localhost seccomp profiles", "/var/lib/kubelet/seccomp"),
  "health-address": stringFlag("Address of the health and metrics server", "127.0.0.1"),
  "health-port": intFlag("Port of that server; 0 for none", 0),
} as const;

export type RuntimeProcessOptions = FlagValues<typeof runtimeFlags>;

export function validateRuntimeOptions(options: RuntimeProcessOptions): string[] {
  const problems: string[] = [];
  if (socketPath(options.listen) === undefined) problems.push(`--listen must be unix:///path, got ${JSON.stringify(options.listen)}`);
  for (const [flag, value] of [
    ["root", options.root],
    ["state", options.state],
  ] as const) {
    if (!value.startsWith("/")) problems.push(`--${flag} must be an absolute path, got ${JSON.stringify(value)}`);
  }
  for (const url of options.registryMirror)
    if (!/^https?:\/\/[^/]+/.test(url)) problems.push(`--registry-mirror must be an http(s) URL, got ${JSON.stringify(url)}`);
  for (const [flag, port] of [
    ["streaming-port", options.streamingPort],
    ["health-port", options.healthPort],
  ] as const) {
    if (port < 0 || port > 65_535) problems.push(`--${flag} must be between 0 and 65535, inclusive, got ${port}`);
  }
  if (options.podCidr !== "" && !/^\d+(\.\d+){3}\/\d+/.test(options.podCidr))
    problems.push(`--pod-cidr must be an IPv4 range, got ${JSON.stringify(options.podCidr)}`);
  return problems;
}

/** Path of a unix:// endpoint; undefined for anything else. */
export function socketPath(endpoint: string): string | undefined {
  return /^unix:\/\/(\/.+)$/.exec(endpoint)?.[1];
}
