// Host name and /etc/hosts of a pod. Upstream: GeneratePodHostNameAndDomain, managedHostsFileContent.
import type { corev1 } from "@lenj/proto/k8s";
import { podName, podNamespace } from "../pod/identity.js";

const maxHostnameCharacters = 63;

export interface PodHostname {
  readonly hostname: string;
  /** "sub.ns.svc.cluster.local", empty without a subdomain. */
  readonly domain: string;
}

export function podHostname(pod: corev1.Pod, clusterDomain: string): PodHostname {
  const hostname = pod.spec?.hostname ?? "";
  const subdomain = pod.spec?.subdomain ?? "";
  const truncated = podName(pod)
    .slice(0, maxHostnameCharacters)
    .replace(/[-.]+$/, "");
  const domain = subdomain === "" ? "" : `${subdomain}.${podNamespace(pod)}.svc.${clusterDomain}`;
  return { hostname: hostname === "" ? truncated : hostname, domain };
}

/** What gethostname() answers in the pod: its FQDN with setHostnameAsFQDN. */
export function kernelHostname(pod: corev1.Pod, clusterDomain: string): string {
  const { hostname, domain } = podHostname(pod, clusterDomain);
  return pod.spec?.setHostnameAsFQDN === true && domain !== "" ? `${hostname}.${domain}` : hostname;
}

/** The hosts file of a pod with its own network. */
export function hostsFile(podIPs: readonly string[], name: PodHostname, aliases: readonly corev1.HostAlias[]): string {
  const lines = [
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::\tip6-localnet",
    "fe00::\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
    ...podIPs.map((ip) => (name.domain === "" ? `${ip}\t${name.hostname}` : `${ip}\t${name.hostname}.${name.domain}\t${name.hostname}`)),
  ];
  return `${lines.join("\n")}\n${aliasLines(aliases)}`;
}

/** The node's own hosts file, extended by the pod's aliases: for pods in the host's network. */
export function hostNetworkHostsFile(nodeFile: string, aliases: readonly corev1.HostAlias[]): string {
  return `# Kubernetes-managed hosts file (host network).\n${nodeFile}${aliasLines(aliases)}`;
}

function aliasLines(aliases: readonly corev1.HostAlias[]): string {
  if (aliases.length === 0) return "";
  const lines = aliases.map((alias) => `${alias.ip}\t${(alias.hostnames ?? []).join("\t")}`);
  return `\n# Entries added by HostAliases.\n${lines.join("\n")}\n`;
}
