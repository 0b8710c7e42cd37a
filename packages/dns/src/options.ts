import { type FlagValues, stringFlag } from "@lenj/component-base";

export const dnsFlags = {
  kubeconfig: stringFlag("Path to the kubeconfig for the api-server"),
  "listen-address": stringFlag("Address and port for DNS over UDP and TCP", "0.0.0.0:53"),
  "cluster-domain": stringFlag("Domain of the cluster", "cluster.local"),
  "healthz-bind-address": stringFlag("Address and port of the health and metrics server; empty for none", "0.0.0.0:8181"),
} as const;

export type DNSOptions = FlagValues<typeof dnsFlags>;

export function validateDNSOptions(options: DNSOptions): string[] {
  const problems: string[] = [];
  if (options.kubeconfig === "") problems.push("--kubeconfig is required");
  if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(options.clusterDomain))
    problems.push(`--cluster-domain must be a domain name in lower case, got ${JSON.stringify(options.clusterDomain)}`);
  if (parseBindAddress(options.listenAddress) === undefined)
    problems.push(`--listen-address must be an address and a port, got ${JSON.stringify(options.listenAddress)}`);
  if (options.healthzBindAddress !== "" && parseBindAddress(options.healthzBindAddress) === undefined) {
    problems.push(`--healthz-bind-address must be an address and a port, got ${JSON.stringify(options.healthzBindAddress)}`);
  }
  return problems;
}

/** "127.0.0.1:53" → its parts; undefined when it is not of that form. */
export function parseBindAddress(text: string): { address: string; port: number } | undefined {
  const match = /^([^:]*):(\d{1,5})$/.exec(text);
  if (match === null || Number(match[2]) > 65_535) return undefined;
  return { address: match[1] === "" ? "0.0.0.0" : (match[1] as string), port: Number(match[2]) };
}
