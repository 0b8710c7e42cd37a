// Flags of the kubelet: upstream's names, units and defaults.
import { hostname } from "node:os";
import { boolFlag, durationFlag, type FlagValues, intFlag, listFlag, mapFlag, stringFlag } from "@lenj/component-base";

export const kubeletFlags = {
  kubeconfig: stringFlag("Path of the kubeconfig file that says how to reach the api-server; without it only static pods run"),
  config: stringFlag("Path of a KubeletConfiguration file; flags win over it"),
  "hostname-override": stringFlag("Name of the node; default: the machine's host name, lower case"),
  "node-ip": stringFlag("Address of the node, or two separated by a comma for dual stack"),
  "root-dir": stringFlag("Folder for volumes and other files of pods", "/var/lib/kubelet"),
  "pod-log-dir": stringFlag("Folder of the pods' logs", "/var/log/pods"),
  "container-log-dir": stringFlag("Folder of links to the logs by container", "/var/log/containers"),
  "cert-dir": stringFlag("Folder for the serving certificate when none is given; default: <root-dir>/pki"),
  "container-runtime-endpoint": stringFlag("Socket of the container runtime", "unix:///run/containerd/containerd.sock"),
  address: stringFlag("Address to serve on", "0.0.0.0"),
  port: intFlag("Port to serve on", 10250),
  "healthz-bind-address": stringFlag("Address of the health endpoint", "127.0.0.1"),
  "healthz-port": intFlag("Port of the health endpoint; 0 disables it", 10248),
  "cluster-dns": listFlag("Addresses of the cluster's DNS servers"),
  "cluster-domain": stringFlag("Domain of the cluster"),
  "resolv-conf": stringFlag("Resolver configuration that pods with dnsPolicy Default get", "/etc/resolv.conf"),
  "client-ca-file": stringFlag("CA that signs client certificates accepted on --port"),
  "tls-cert-file": stringFlag("Serving certificate"),
  "tls-private-key-file": stringFlag("Key of the serving certificate"),
  "anonymous-auth": boolFlag("Accept requests without credentials as system:anonymous", false),
  "authentication-token-webhook": boolFlag("Ask the api-server about bearer tokens", true),
  "authorization-mode": stringFlag(
    "Webhook asks the api-server about each request; AlwaysAllow lets every authenticated client in",
    "Webhook",
  ),
  "pod-manifest-path": stringFlag("File or folder of static pods"),
  "file-check-frequency": durationFlag("How often static pod files are looked at", 20_000),
  "max-pods": intFlag("Pods that fit on the node", 110),
  "pod-max-pids": intFlag("Processes a pod may have; -1: no limit", -1),
  "pod-infra-container-image": stringFlag("Accepted and ignored: the runtime chooses its sandbox image"),
  "node-labels": mapFlag("Labels of the node when it registers"),
  "register-with-taints": listFlag("Taints of the node when it registers: key=value:effect"),
  "register-node": boolFlag("Register with the api-server", true),
  "register-schedulable": boolFlag("Register as schedulable", true),
  "node-status-update-frequency": durationFlag("How often the node's status is computed", 10_000),
  "node-status-report-frequency": durationFlag("How often it is reported when nothing changed", 300_000),
  "node-lease-duration-seconds": intFlag("Duration of the node's lease", 40),
  "sync-frequency": durationFlag("How often a pod is looked at when nothing happened", 60_000),
  "serialize-image-pulls": boolFlag("Pull one image at a time", true),
  "image-gc-high-threshold": intFlag("Percent of disk in use from which on images are removed", 85),
  "image-gc-low-threshold": intFlag("Percent of disk in use down to which images are removed", 80),
  "container-log-max-size": stringFlag("Size from which on a container's log is rotated", "10Mi"),
  "container-log-max-files": intFlag("Log files kept of a container", 5),
  "cgroups-per-qos": boolFlag("Make a cgroup for each pod", true),
  "cgroup-driver": stringFlag("Only cgroupfs", "cgroupfs"),
  "kube-reserved": mapFlag("Resources kept from pods: cpu=100m,memory=100Mi"),
  "system-reserved": mapFlag("Resources kept from pods: cpu=100m,memory=100Mi"),
  "eviction-hard": stringFlag("When to evict pods", "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%"),
  "fail-swap-on": boolFlag("Accepted and ignored: swap is not looked at", true),
} as const;

export type KubeletOptions = FlagValues<typeof kubeletFlags>;

export function validateOptions(options: KubeletOptions): string[] {
  const problems: string[] = [];
  if (options.kubeconfig === "" && options.podManifestPath === "") problems.push("--kubeconfig or --pod-manifest-path is required");
  if ((options.tlsCertFile === "") !== (options.tlsPrivateKeyFile === ""))
    problems.push("--tls-cert-file and --tls-private-key-file must be given together");
  if (options.cgroupDriver !== "cgroupfs")
    problems.push(`--cgroup-driver: unsupported value ${JSON.stringify(options.cgroupDriver)}, must be cgroupfs`);
  if (options.authorizationMode !== "Webhook" && options.authorizationMode !== "AlwaysAllow")
    problems.push(`--authorization-mode: ${JSON.stringify(options.authorizationMode)} is not a valid authorization mode`);
  for (const [flag, port] of [
    ["port", options.port],
    ["healthz-port", options.healthzPort],
  ] as const) {
    if (port < 0 || port > 65_535) problems.push(`--${flag} ${port} must be between 0 and 65535, inclusive`);
  }
  if (options.maxPods < 0) problems.push("--max-pods must not be negative");
  for (const taint of options.registerWithTaints) {
    if (parseTaint(taint) === undefined)
      problems.push(`invalid argument ${JSON.stringify(taint)} for "--register-with-taints" flag: invalid taint spec: ${taint}`);
  }
  return problems;
}

/** "key=value:Effect", "key:Effect". */
export function parseTaint(
  text: string,
): { key: string; value?: string; effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute" } | undefined {
  const match = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(text);
  if (match === null) return undefined;
  const effect = match[3] as "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  return match[2] === undefined || match[2] === ""
    ? { key: match[1] as string, effect }
    : { key: match[1] as string, value: match[2], effect };
}

export function nodeName(options: KubeletOptions): string {
  return (options.hostnameOverride === "" ? hostname() : options.hostnameOverride).trim().toLowerCase();
}
