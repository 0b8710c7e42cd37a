// From service ports to an nftables rule set, and from one rule set to the next with the least change. Pure.
//
// Layout: fixed chains look packets up in two verdict maps (address and port; node port) whose entries go to one chain a
// service port; that chain picks an endpoint by random number. One service changes by one chain and a few map entries.
// R1. Every script is one transaction: it takes effect as a whole or not at all.
// R2. A chain exists before a map entry points at it and is deleted after the last entry that did.
// Upstream: pkg/proxy/nftables; the endpoint choice inside one rule instead of a chain an endpoint is ours (it loads twice as fast).
import type { Endpoint, ServicePort } from "./service-map.js";

export const tableName = "lenj-proxy";
/** Packets with this mark leave with the node's own address as source. */
const masqueradeMark = "0x4000";

export interface RulePlanOptions {
  /** All pods' addresses; traffic from outside of it to a service is masqueraded. Empty: nothing is known of them. */
  readonly clusterCIDR: string;
  /** Addresses of this node that serve node ports. */
  readonly nodeIPs: readonly string[];
}

export interface RuleSet {
  /** Rules by chain name. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Sets that hold session affinity, by name, with their timeout in seconds. */
  readonly affinitySets: ReadonlyMap<string, number>;
  /** Elements by map or set name; a map's element is "key : verdict". */
  readonly elements: ReadonlyMap<MapName, ReadonlySet<string>>;
}

type MapName = "service-ips" | "service-nodeports" | "no-endpoint-services" | "no-endpoint-nodeports" | "hairpin";
const mapNames: readonly MapName[] = ["service-ips", "service-nodeports", "no-endpoint-services", "no-endpoint-nodeports", "hairpin"];

export function planRules(ports: readonly ServicePort[], options: RulePlanOptions): RuleSet {
  const plan = new Planner(options);
  for (const port of ports) plan.add(port);
  return plan;
}

class Planner implements RuleSet {
  readonly chains = new Map<string, readonly string[]>();
  readonly affinitySets = new Map<string, number>();
  readonly elements = new Map<MapName, Set<string>>(mapNames.map((name) => [name, new Set<string>()]));

  constructor(readonly options: RulePlanOptions) {}

  add(port: ServicePort): void {
    const internal = port.internalLocal ? port.localEndpoints : port.clusterEndpoints;
    this.#addInternal(port, internal);
    if (port.externalIPs.length > 0 || port.nodePort !== undefined) this.#addExternal(port);
    for (const endpoint of port.clusterEndpoints) if (endpoint.isLocal) this.#element("hairpin", `${endpoint.ip} . ${endpoint.ip}`);
  }

  #addInternal(port: ServicePort, endpoints: readonly Endpoint[]): void {
    if (endpoints.length === 0) {
      // Endpoints elsewhere that may not be used: silence; none at all: refusal.
      const verdict = port.internalLocal && port.clusterEndpoints.length > 0 ? "drop" : "goto reject-connection";
      for (const ip of port.clusterIPs) this.#element("no-endpoint-services", `${ip} . ${port.protocol} . ${port.port} : ${verdict}`);
      return;
    }
    const chain = this.#endpointChain(`svc-${chainHash(port)}`, port, endpoints, this.#masqueradeFromOutside());
    for (const ip of port.clusterIPs) this.#element("service-ips", `${ip} . ${port.protocol} . ${port.port} : goto ${chain}`);
  }

  #addExternal(port: ServicePort): void {
    const rejected =
      port.clusterEndpoints.length === 0
        ? "goto reject-connection"
        : port.externalLocal && port.localEndpoints.length === 0 && this.options.clusterCIDR === ""
          ? "drop"
          : undefined;
    if (rejected !== undefined) {
      for (const ip of port.externalIPs) this.#element("no-endpoint-services", `${ip} . ${port.protocol} . ${port.port} : ${rejected}`);
      if (port.nodePort !== undefined) this.#element("no-endpoint-nodeports", `${port.protocol} . ${port.nodePort} : ${rejected}`);
      return;
    }
    const chain = `ext-${chainHash(port)}`;
    if (port.externalLocal) {
      const anywhere = this.#endpointChain(`${chain}-any`, port, port.clusterEndpoints, []);
      // Pods and the node itself mean the service, not this node: any endpoint serves them.
      const rules = this.options.clusterCIDR === "" ? [] : [`ip saddr ${this.options.clusterCIDR} goto ${anywhere}`];
      rules.push(`fib saddr type local meta mark set mark or ${masqueradeMark} goto ${anywhere}`);
      rules.push(
        ...(port.localEndpoints.length === 0
          ? ["drop"]
          : choiceRules(port, port.localEndpoints, this.#affinity(chain, port, port.localEndpoints))),
      );
      this.chains.set(chain, rules);
    } else {
      // The endpoint may be on another node, which must answer through this one.
      this.#endpointChain(chain, port, port.clusterEndpoints, [`meta mark set mark or ${masqueradeMark}`]);
    }
    for (const ip of port.externalIPs) this.#element("service-ips", `${ip} . ${port.protocol} . ${port.port} : goto ${chain}`);
    if (port.nodePort !== undefined) this.#element("service-nodeports", `${port.protocol} . ${port.nodePort} : goto ${chain}`);
  }

  #masqueradeFromOutside(): string[] {
    return this.options.clusterCIDR === "" ? [] : [`ip saddr != ${this.options.clusterCIDR} meta mark set mark or ${masqueradeMark}`];
  }

  #endpointChain(chain: string, port: ServicePort, endpoints: readonly Endpoint[], first: readonly string[]): string {
    this.chains.set(chain, [...first, ...choiceRules(port, endpoints, this.#affinity(chain, port, endpoints))]);
    return chain;
  }

  /** One set an endpoint remembers its clients. */
  #affinity(chain: string, port: ServicePort, endpoints: readonly Endpoint[]): ((endpoint: Endpoint) => string) | undefined {
    const { affinitySeconds } = port;
    if (affinitySeconds === undefined) return undefined;
    const setOf = (endpoint: Endpoint): string => `aff-${chain}-${endpoint.ip.replaceAll(".", "x")}-${endpoint.port}`;
    for (const endpoint of endpoints) this.affinitySets.set(setOf(endpoint), affinitySeconds);
    return setOf;
  }

  #element(map: MapName, element: string): void {
    this.elements.get(map)?.add(element);
  }
}

function choiceRules(
  port: ServicePort,
  endpoints: readonly Endpoint[],
  affinitySet: ((endpoint: Endpoint) => string) | undefined,
): string[] {
  const match = `meta l4proto ${port.protocol}`;
  if (affinitySet === undefined) {
    if (endpoints.length === 1) return [`${match} dnat to ${endpoints[0]?.ip}:${endpoints[0]?.port}`];
    const choices = endpoints.map((endpoint, offset) => `${offset} : ${endpoint.ip} . ${endpoint.port}`).join(", ");
    return [`${match} dnat ip addr . port to numgen random mod ${endpoints.length} map { ${choices} }`];
  }
  const known = endpoints.map(
    (endpoint) =>
      `${match} ip saddr @${affinitySet(endpoint)} update @${affinitySet(endpoint)} { ip saddr } dnat to ${endpoint.ip}:${endpoint.port}`,
  );
  // Each rule takes its share of what the rules before it left.
  const fresh = endpoints.map((endpoint, offset) => {
    const left = endpoints.length - offset;
    const share = left === 1 ? "" : ` numgen random mod ${left} 0`;
    return `${match}${share} update @${affinitySet(endpoint)} { ip saddr } dnat to ${endpoint.ip}:${endpoint.port}`;
  });
  return [...known, ...fresh];
}

/** A short name for a service port: FNV-1a over its name and protocol, in base 36, twice with different seeds. */
function chainHash(port: ServicePort): string {
  const text = `${port.name}/${port.protocol}`;
  return [0x811c9dc5, 0x01000193].map((seed) => fnv1a(text, seed).toString(36).padStart(7, "0")).join("");
}

function fnv1a(text: string, seed: number): number {
  let hash = seed;
  for (let position = 0; position < text.length; position++) hash = Math.imul(hash ^ text.charCodeAt(position), 0x01000193);
  return hash >>> 0;
}

/** A script that replaces whatever the table held. */
export function formatFullSync(rules: RuleSet, options: RulePlanOptions): string {
  const lines = [`add table ip ${tableName}`, `delete table ip ${tableName}`, `add table ip ${tableName}`, ...fixedParts(options)];
  lines.push(...changes(emptyRuleSet, rules));
  return `${lines.join("\n")}\n`;
}

/** A script from one rule set to the next; empty when nothing changed. */
export function formatIncrement(installed: RuleSet, desired: RuleSet): string {
  const lines = changes(installed, desired);
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

export const emptyRuleSet: RuleSet = { chains: new Map(), affinitySets: new Map(), elements: new Map() };

function changes(installed: RuleSet, desired: RuleSet): string[] {
  const lines: string[] = [];
  const changedSets = [...desired.affinitySets].filter(([name, seconds]) => installed.affinitySets.get(name) !== seconds);
  const goneSets = [...installed.affinitySets.keys()].filter((name) => !desired.affinitySets.has(name));
  const goneChains = [...installed.chains.keys()].filter((name) => !desired.chains.has(name));
  for (const [name, seconds] of changedSets)
    lines.push(`add set ip ${tableName} ${name} { type ipv4_addr; flags dynamic,timeout; timeout ${seconds}s; }`);
  for (const chain of desired.chains.keys()) if (!installed.chains.has(chain)) lines.push(`add chain ip ${tableName} ${chain}`);
  for (const [chain, rules] of desired.chains) {
    const before = installed.chains.get(chain);
    if (before !== undefined && sameLines(before, rules)) continue;
    if (before !== undefined) lines.push(`flush chain ip ${tableName} ${chain}`);
    for (const rule of rules) lines.push(`add rule ip ${tableName} ${chain} ${rule}`);
  }
  for (const map of mapNames) {
    const [before, after] = [installed.elements.get(map) ?? new Set<string>(), desired.elements.get(map) ?? new Set<string>()];
    lines.push(
      ...elementLines(
        "delete",
        map,
        [...before].filter((element) => !after.has(element)),
      ),
    );
    lines.push(
      ...elementLines(
        "add",
        map,
        [...after].filter((element) => !before.has(element)),
      ),
    );
  }
  for (const chain of goneChains) lines.push(`flush chain ip ${tableName} ${chain}`);
  for (const chain of goneChains) lines.push(`delete chain ip ${tableName} ${chain}`);
  for (const name of goneSets) lines.push(`delete set ip ${tableName} ${name}`);
  return lines;
}

function elementLines(verb: "add" | "delete", map: MapName, elements: readonly string[]): string[] {
  return elements.length === 0 ? [] : [`${verb} element ip ${tableName} ${map} { ${elements.join(", ")} }`];
}

function sameLines(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, position) => line === b[position]);
}

/** Hooks, maps and the chains that every packet meets. */
function fixedParts(options: RulePlanOptions): string[] {
  const add = (what: string): string => `add ${what.replace(" ", ` ip ${tableName} `)}`;
  const rule = (chain: string, text: string): string => `add rule ip ${tableName} ${chain} ${text}`;
  const nodeIPs = options.nodeIPs.length === 0 ? [] : [`add element ip ${tableName} nodeport-ips { ${options.nodeIPs.join(", ")} }`];
  const outsideIsMasqueraded =
    options.clusterCIDR === ""
      ? []
      : [rule("nat-postrouting", `ip saddr ${options.clusterCIDR} ip daddr != ${options.clusterCIDR} masquerade fully-random`)];
  return [
    add("map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }"),
    add("map service-nodeports { type inet_proto . inet_service : verdict; }"),
    add("map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }"),
    add("map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }"),
    add("set hairpin { type ipv4_addr . ipv4_addr; }"),
    add("set nodeport-ips { type ipv4_addr; }"),
    ...nodeIPs,
    add("chain services"),
    rule("services", "ip daddr . meta l4proto . th dport vmap @service-ips"),
    rule("services", "ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports"),
    add("chain reject-connection"),
    rule("reject-connection", "meta l4proto tcp reject with tcp reset"),
    rule("reject-connection", "reject"),
    add("chain endpoints-check"),
    rule("endpoints-check", "ip daddr . meta l4proto . th dport vmap @no-endpoint-services"),
    rule("endpoints-check", "ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports"),
    add("chain nat-prerouting { type nat hook prerouting priority -100; }"),
    rule("nat-prerouting", "jump services"),
    add("chain nat-output { type nat hook output priority -100; }"),
    rule("nat-output", "jump services"),
    add("chain nat-postrouting { type nat hook postrouting priority 100; }"),
    rule(
      "nat-postrouting",
      `meta mark and ${masqueradeMark} == ${masqueradeMark} meta mark set mark xor ${masqueradeMark} masquerade fully-random`,
    ),
    rule("nat-postrouting", "ip saddr . ip daddr @hairpin masquerade fully-random"),
    ...outsideIsMasqueraded,
    // After the rewriting of destinations (-100): what still carries a service's address has no endpoint.
    add("chain filter-forward { type filter hook forward priority 0; }"),
    rule("filter-forward", "ct state new jump endpoints-check"),
    add("chain filter-output { type filter hook output priority -90; }"),
    rule("filter-output", "ct state new jump endpoints-check"),
    add("chain filter-input { type filter hook input priority 0; }"),
    rule("filter-input", "ct state new jump endpoints-check"),
  ];
}
