import { durationFlag, type FlagValues, stringFlag } from "@lenj/component-base";

/** Flags of the proxy; names and defaults are kube-proxy's, but for the sync period, which a lab wants short. */
export const proxyFlags = {
  kubeconfig: stringFlag("Path to the kubeconfig for the api-server"),
  "hostname-override": stringFlag("Name of the node this proxy runs on"),
  "cluster-cidr": stringFlag("Range of all pods' addresses; traffic from outside of it to services is masqueraded"),
  "proxy-mode": stringFlag("Kind of kernel rules: nftables", "nftables"),
  "nftables-min-sync-period": durationFlag("Least time between two changes of the kernel's rules", 100),
  "healthz-bind-address": stringFlag("Address and port of the health and metrics server; empty for none", "0.0.0.0:10256"),
  "metrics-bind-address": stringFlag("Address and port of a second metrics server; empty for none", ""),
} as const;

export type ProxyOptions = FlagValues<typeof proxyFlags>;

export function validateProxyOptions(options: ProxyOptions): string[] {
  const problems: string[] = [];
  if (options.kubeconfig === "") problems.push("--kubeconfig is required");
  if (options.hostnameOverride === "") problems.push("--hostname-override is required");
  if (options.proxyMode !== "nftables") problems.push(`--proxy-mode must be "nftables", got ${JSON.stringify(options.proxyMode)}`);
  if (options.clusterCidr !== "" && !/^\d+\.\d+\.\d+\.\d+\/\d+$/.test(options.clusterCidr))
    problems.push(`--cluster-cidr must be an IPv4 range, got ${JSON.stringify(options.clusterCidr)}`);
  for (const [flag, value] of [
    ["healthz-bind-address", options.healthzBindAddress],
    ["metrics-bind-address", options.metricsBindAddress],
  ] as const) {
    if (value !== "" && parseBindAddress(value) === undefined)
      problems.push(`--${flag} must be an address and a port, got ${JSON.stringify(value)}`);
  }
  return problems;
}

/** "127.0.0.1:10256" → its parts; undefined when it is not of that form. */
export function parseBindAddress(text: string): { address: string; port: number } | undefined {
  const match = /^\[?([^\]]*)\]?:(\d{1,5})$/.exec(text);
  if (match === null || Number(match[2]) > 65_535) return undefined;
  return { address: match[1] === "" ? "0.0.0.0" : (match[1] as string), port: Number(match[2]) };
}
