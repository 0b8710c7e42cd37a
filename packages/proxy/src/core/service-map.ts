// From Services and EndpointSlices to what the kernel has to do for each service port. Pure.
//
// P1. Endpoints that are ready take traffic; where none is, those that still serve while terminating do.
// P2. Traffic policies only narrow: Local keeps the endpoints of this node.
// Upstream: pkg/proxy ServicePortMap, EndpointsMap and CategorizeEndpoints.
import type { corev1, discoveryv1 } from "@lenj/proto/k8s";

export type Protocol = "tcp" | "udp" | "sctp";

export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  readonly isLocal: boolean;
}

/** One port of one Service with the endpoints that take its traffic. */
export interface ServicePort {
  /** "namespace/name:port", the port's name left out when it has none. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly clusterIPs: readonly string[];
  /** External IPs and load-balancer addresses. */
  readonly externalIPs: readonly string[];
  readonly nodePort: number | undefined;
  /** Seconds that a client stays with its endpoint; undefined: no affinity. */
  readonly affinitySeconds: number | undefined;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  /** For traffic that any endpoint may take. */
  readonly clusterEndpoints: readonly Endpoint[];
  /** For traffic that only this node's endpoints may take. */
  readonly localEndpoints: readonly Endpoint[];
}

interface Candidate extends Endpoint {
  readonly ready: boolean;
  readonly serving: boolean;
}

const serviceNameLabel = "kubernetes.io/service-name";

/** Every service port that needs rules, ordered by name. IPv4. */
export function observeServicePorts(
  services: readonly corev1.Service[],
  slices: readonly discoveryv1.EndpointSlice[],
  nodeName: string,
): ServicePort[] {
  const slicesByService = new Map<string, discoveryv1.EndpointSlice[]>();
  for (const slice of slices) {
    const service = slice.metadata?.labels?.[serviceNameLabel];
    if (service === undefined || slice.addressType !== "IPv4") continue;
    const key = `${slice.metadata?.namespace ?? ""}/${service}`;
    const found = slicesByService.get(key);
    if (found === undefined) slicesByService.set(key, [slice]);
    else found.push(slice);
  }
  return services
    .filter(needsRules)
    .flatMap((service) => {
      const key = `${service.metadata?.namespace ?? ""}/${service.metadata?.name ?? ""}`;
      const own = slicesByService.get(key) ?? [];
      return (service.spec?.ports ?? []).map((port) => observeServicePort(key, service, port, own, nodeName));
    })
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function needsRules(service: corev1.Service): boolean {
  const { spec } = service;
  if (
    spec === undefined ||
    spec.type === "ExternalName" ||
    spec.clusterIP === undefined ||
    spec.clusterIP === "" ||
    spec.clusterIP === "None"
  )
    return false;
  // Somebody else's job by the owner's word.
  return service.metadata?.labels?.["service.kubernetes.io/service-proxy-name"] === undefined;
}

function observeServicePort(
  key: string,
  service: corev1.Service,
  port: corev1.ServicePort,
  slices: readonly discoveryv1.EndpointSlice[],
  nodeName: string,
): ServicePort {
  const spec = service.spec ?? {};
  const portName = port.name ?? "";
  const candidates = collectCandidates(slices, portName, port.protocol ?? "TCP", nodeName);
  const ingressIPs = (service.status?.loadBalancer?.ingress ?? [])
    .filter((ingress) => ingress.ipMode !== "Proxy")
    .flatMap((ingress) => ingress.ip ?? []);
  return {
    name: portName === "" ? key : `${key}:${portName}`,
    protocol: (port.protocol ?? "TCP").toLowerCase() as Protocol,
    port: port.port ?? 0,
    clusterIPs: (spec.clusterIPs ?? [spec.clusterIP ?? ""]).filter(isIPv4),
    externalIPs: [...(spec.externalIPs ?? []), ...ingressIPs].filter(isIPv4),
    nodePort: port.nodePort === undefined || port.nodePort === 0 ? undefined : port.nodePort,
    affinitySeconds: spec.sessionAffinity === "ClientIP" ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : undefined,
    internalLocal: spec.internalTrafficPolicy === "Local",
    externalLocal: spec.externalTrafficPolicy === "Local",
    clusterEndpoints: chooseEndpoints(candidates),
    localEndpoints: chooseEndpoints(candidates.filter((candidate) => candidate.isLocal)),
  };
}

const isIPv4 = (address: string): boolean => /^\d+\.\d+\.\d+\.\d+$/.test(address);

function collectCandidates(
  slices: readonly discoveryv1.EndpointSlice[],
  portName: string,
  protocol: string,
  nodeName: string,
): Candidate[] {
  const byAddress = new Map<string, Candidate>();
  for (const slice of slices) {
    const port = (slice.ports ?? []).find(
      (candidate) => (candidate.name ?? "") === portName && (candidate.protocol ?? "TCP") === protocol,
    )?.port;
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const ip = endpoint.addresses?.[0];
      if (ip === undefined) continue;
      const ready = endpoint.conditions?.ready ?? true;
      const candidate = { ip, port, isLocal: endpoint.nodeName === nodeName, ready, serving: endpoint.conditions?.serving ?? ready };
      // An endpoint that moves between slices is in two of them for a moment; the usable one counts.
      const known = byAddress.get(`${ip}:${port}`);
      if (known === undefined || (candidate.ready && !known.ready)) byAddress.set(`${ip}:${port}`, candidate);
    }
  }
  return [...byAddress.values()];
}

function chooseEndpoints(candidates: readonly Candidate[]): Endpoint[] {
  const ready = candidates.filter((candidate) => candidate.ready);
  const chosen = ready.length > 0 ? ready : candidates.filter((candidate) => candidate.serving);
  return chosen
    .map(({ ip, port, isLocal }) => ({ ip, port, isLocal }))
    .sort((a, b) => (`${a.ip}:${a.port}` < `${b.ip}:${b.port}` ? -1 : 1));
}
