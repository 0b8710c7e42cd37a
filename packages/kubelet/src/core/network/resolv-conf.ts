// DNS settings of a pod and hosts files. Upstream: pkg/kubelet/network/dns, managedHostsFileContent.
import type { corev1 } from "@lenj/proto/k8s";
import { podNamespace } from "../pod/identity.js";

export interface DNSSettings {
  servers: string[];
  searches: string[];
  options: string[];
}

const maxServers = 3;
const maxSearches = 32;
const maxSearchCharacters = 2048;

/** Reads the text of a resolv.conf. */
export function parseResolvConf(text: string): DNSSettings {
  const settings: DNSSettings = { servers: [], searches: [], options: [] };
  for (const line of text.split("\n")) {
    const fields = line.trim().split(/\s+/);
    const [word, ...rest] = fields;
    if (word === "nameserver" && rest[0] !== undefined) settings.servers.push(rest[0]);
    else if (word === "search") settings.searches = rest.map((domain) => (domain === "." ? domain : domain.replace(/\.$/, "")));
    else if (word === "options") settings.options = rest;
  }
  return settings;
}

export interface DNSInput {
  readonly clusterDNS: readonly string[];
  readonly clusterDomain: string;
  /** The node's own settings. */
  readonly node: DNSSettings;
}

/** The pod's settings. `problem` is the message of the Event to record when the policy could not be honoured. */
export function podDNS(pod: corev1.Pod, input: DNSInput): { readonly dns: DNSSettings; readonly problem?: string } {
  const policy = effectivePolicy(pod);
  let dns: DNSSettings;
  let problem: string | undefined;
  if (policy === "None") dns = { servers: [], searches: [], options: [] };
  else if (policy === "ClusterFirst" && input.clusterDNS.length > 0) {
    const domain = input.clusterDomain;
    const own = domain === "" ? [] : [`${podNamespace(pod)}.svc.${domain}`, `svc.${domain}`, domain];
    dns = { servers: [...input.clusterDNS], searches: unique([...own, ...input.node.searches]), options: ["ndots:5"] };
  } else {
    if (policy === "ClusterFirst") {
      problem = `pod: ${JSON.stringify(`${pod.metadata?.name}_${podNamespace(pod)}(${pod.metadata?.uid})`)}. kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. Falling back to "Default" policy.`;
    }
    dns = { servers: [...input.node.servers], searches: [...input.node.searches], options: [...input.node.options] };
  }
  const config = pod.spec?.dnsConfig;
  if (config !== undefined) {
    dns.servers = unique([...dns.servers, ...(config.nameservers ?? [])]);
    dns.searches = unique([...dns.searches, ...(config.searches ?? [])]);
    dns.options = mergeOptions(dns.options, config.options ?? []);
  }
  dns.servers = dns.servers.slice(0, maxServers);
  dns.searches = limitSearches(dns.searches);
  return problem === undefined ? { dns } : { dns, problem };
}

function effectivePolicy(pod: corev1.Pod): "None" | "Default" | "ClusterFirst" {
  switch (pod.spec?.dnsPolicy) {
    case "None":
      return "None";
    case "Default":
      return "Default";
    case "ClusterFirstWithHostNet":
      return "ClusterFirst";
    default:
      return pod.spec?.hostNetwork === true ? "Default" : "ClusterFirst";
  }
}

function mergeOptions(base: readonly string[], more: readonly corev1.PodDNSConfigOption[]): string[] {
  const merged = new Map<string, string>();
  for (const option of base) {
    const at = option.indexOf(":");
    merged.set(at === -1 ? option : option.slice(0, at), option);
  }
  for (const option of more) {
    const name = option.name ?? "";
    merged.set(name, option.value === undefined || option.value === "" ? name : `${name}:${option.value}`);
  }
  return [...merged.values()];
}

function limitSearches(searches: readonly string[]): string[] {
  const kept: string[] = [];
  let characters = 0;
  for (const search of searches.slice(0, maxSearches)) {
    characters += search.length + (kept.length > 0 ? 1 : 0);
    if (characters > maxSearchCharacters) break;
    kept.push(search);
  }
  return kept;
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)];
}

export function formatResolvConf(dns: DNSSettings): string {
  return [
    dns.searches.length > 0 ? `search ${dns.searches.join(" ")}\n` : "",
    ...dns.servers.map((server) => `nameserver ${server}\n`),
    dns.options.length > 0 ? `options ${dns.options.join(" ")}\n` : "",
  ].join("");
}
