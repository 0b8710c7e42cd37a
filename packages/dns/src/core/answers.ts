// What the cluster's DNS answers to one question. Pure.
//
// A1. A name that exists without a record of the asked type is NOERROR with the zone's SOA; one that does not exist, NXDOMAIN with it.
// A2. Names compare without regard to case; answers carry the name as it was asked.
// Source: Kubernetes DNS-Based Service Discovery specification 1.1.0; CoreDNS' kubernetes plugin where it is silent.
import type { corev1, discoveryv1 } from "@lenj/proto/k8s";

/** What the answers are made from. */
export interface ClusterView {
  service(namespace: string, name: string): corev1.Service | undefined;
  slices(namespace: string, service: string): readonly discoveryv1.EndpointSlice[];
  hasNamespace(name: string): boolean;
  serviceByClusterIP(ip: string): corev1.Service | undefined;
  slicesByAddress(ip: string): readonly discoveryv1.EndpointSlice[];
}

export type RecordData =
  | { readonly type: "A" | "AAAA" | "CNAME" | "PTR"; readonly data: string }
  | {
      readonly type: "SRV";
      readonly data: { readonly priority: number; readonly weight: number; readonly port: number; readonly target: string };
    }
  | { readonly type: "TXT"; readonly data: string }
  | { readonly type: "SOA"; readonly data: SOA };

export interface SOA {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

export type DNSRecord = RecordData & { readonly name: string; readonly ttl: number };

export interface Answer {
  readonly rcode: "NOERROR" | "NXDOMAIN" | "REFUSED";
  readonly answers: readonly DNSRecord[];
  readonly authorities: readonly DNSRecord[];
  readonly additionals: readonly DNSRecord[];
}

/** Seconds that resolvers may keep an answer: endpoints move quickly. */
const ttlSeconds = 5;

interface Endpoint {
  readonly ip: string;
  /** First label of the endpoint's own name under a headless service. */
  readonly label: string;
}

/** What a name stands for; undefined: nothing. */
type Found = { readonly records: readonly RecordData[]; readonly additionals?: readonly DNSRecord[] } | undefined;

/** `domain` without dots at its ends: "cluster.local". */
export function answerQuestion(question: { name: string; type: string }, view: ClusterView, domain: string, serial: number): Answer {
  const name = question.name.toLowerCase().replace(/\.$/, "");
  const isReverse = name.endsWith(".in-addr.arpa");
  if (name !== domain && !name.endsWith(`.${domain}`) && !isReverse)
    return { rcode: "REFUSED", answers: [], authorities: [], additionals: [] };
  const found = isReverse
    ? findReverse(name, view, domain)
    : findInZone(name === domain ? [] : name.slice(0, -domain.length - 1).split("."), view, domain, question.type);
  if (found === undefined && isReverse) return { rcode: "REFUSED", answers: [], authorities: [], additionals: [] };
  const soa: DNSRecord = { name: domain, ttl: ttlSeconds, type: "SOA", data: soaOf(domain, serial) };
  if (found === undefined) return { rcode: "NXDOMAIN", answers: [], authorities: [soa], additionals: [] };
  // An alias answers every type: the resolver goes on from it.
  const matching = found.records.filter((record) => record.type === question.type || record.type === "CNAME" || question.type === "ANY");
  if (name === domain && question.type === "SOA")
    return { rcode: "NOERROR", answers: [{ ...soa, name: question.name }], authorities: [], additionals: [] };
  const answers = matching.map((record): DNSRecord => ({ ...record, name: question.name, ttl: ttlSeconds }));
  return {
    rcode: "NOERROR",
    answers,
    authorities: answers.length === 0 ? [soa] : [],
    additionals: answers.length === 0 ? [] : (found.additionals ?? []),
  };
}

function soaOf(domain: string, serial: number): SOA {
  return {
    mname: `ns.dns.${domain}`,
    rname: `hostmaster.${domain}`,
    serial,
    refresh: 7_200,
    retry: 1_800,
    expire: 86_400,
    minimum: ttlSeconds,
  };
}

const exists: Found = { records: [] };

/** `labels` are those before the domain, in order: ["web", "default", "svc"]. */
function findInZone(labels: readonly string[], view: ClusterView, domain: string, type: string): Found {
  const kind = labels.at(-1);
  if (kind === undefined) return exists;
  if (kind === "dns-version" && labels.length === 1) return { records: [{ type: "TXT", data: "1.1.0" }] };
  if (kind !== "svc" && kind !== "pod") return undefined;
  const namespace = labels.at(-2);
  if (namespace === undefined) return exists;
  if (!view.hasNamespace(namespace)) return undefined;
  const rest = labels.slice(0, -2);
  if (rest.length === 0) return exists;
  return kind === "pod" ? findPod(rest) : findService(rest, namespace, view, domain, type);
}

/** "10-244-1-2" under <namespace>.pod: the address that is its name. */
function findPod(labels: readonly string[]): Found {
  const match = labels.length === 1 ? /^(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})$/.exec(labels[0] ?? "") : null;
  return match === null ? undefined : { records: [{ type: "A", data: match.slice(1).join(".") }] };
}

function findService(labels: readonly string[], namespace: string, view: ClusterView, domain: string, type: string): Found {
  const serviceName = labels.at(-1) ?? "";
  const service = view.service(namespace, serviceName);
  if (service === undefined) return undefined;
  const suffix = `${serviceName}.${namespace}.svc.${domain}`;
  const before = labels.slice(0, -1);
  if (service.spec?.type === "ExternalName")
    return before.length === 0 ? { records: [{ type: "CNAME", data: service.spec.externalName ?? "" }] } : undefined;
  const isHeadless = service.spec?.clusterIP === "None";
  const slices = view.slices(namespace, serviceName);
  if (before.length === 0) return isHeadless ? headlessRecords(service, slices, suffix, type, {}) : clusterIPRecords(service, suffix, {});
  if (before.length === 2 && before[0]?.startsWith("_") && before[1]?.startsWith("_")) {
    const wanted = { port: before[0].slice(1), protocol: before[1].slice(1) };
    const found = isHeadless ? headlessRecords(service, slices, suffix, type, wanted) : clusterIPRecords(service, suffix, wanted);
    return found?.records.some((record) => record.type === "SRV") === true
      ? { ...found, records: found.records.filter((record) => record.type === "SRV") }
      : undefined;
  }
  if (before.length !== 1 || !isHeadless) return undefined;
  const records = usableEndpoints(service, slices).flatMap((endpoint) =>
    endpoint.label === before[0] ? [addressRecord(endpoint.ip)] : [],
  );
  return records.length === 0 ? undefined : { records: unique(records) };
}

interface WantedPort {
  readonly port?: string;
  readonly protocol?: string;
}

function clusterIPRecords(service: corev1.Service, suffix: string, wanted: WantedPort): Found {
  const addresses = (service.spec?.clusterIPs ?? [service.spec?.clusterIP ?? ""]).filter((ip) => ip !== "");
  const records = addresses.map(addressRecord);
  const services = (service.spec?.ports ?? [])
    .filter((port) => isWanted(wanted, port.name, port.protocol))
    .map((port): RecordData => ({ type: "SRV", data: { priority: 0, weight: 100, port: port.port ?? 0, target: suffix } }));
  return { records: [...records, ...services], additionals: records.map((record) => ({ ...record, name: suffix, ttl: ttlSeconds })) };
}

function headlessRecords(
  service: corev1.Service,
  slices: readonly discoveryv1.EndpointSlice[],
  suffix: string,
  type: string,
  wanted: WantedPort,
): Found {
  const addresses = unique(usableEndpoints(service, slices).map((endpoint) => addressRecord(endpoint.ip)));
  if (type !== "SRV") return { records: addresses };
  const records: RecordData[] = [];
  const additionals: DNSRecord[] = [];
  for (const slice of slices) {
    for (const endpoint of usableEndpoints(service, [slice])) {
      const target = `${endpoint.label}.${suffix}`;
      additionals.push({ ...addressRecord(endpoint.ip), name: target, ttl: ttlSeconds });
      for (const port of slice.ports ?? []) {
        if (isWanted(wanted, port.name, port.protocol))
          records.push({ type: "SRV", data: { priority: 0, weight: 100, port: port.port ?? 0, target } });
      }
    }
  }
  return { records: unique(records), additionals };
}

function isWanted(wanted: WantedPort, name: string | undefined, protocol: string | undefined): boolean {
  return (
    (wanted.port === undefined || wanted.port === (name ?? "").toLowerCase()) &&
    (wanted.protocol === undefined || wanted.protocol === (protocol ?? "TCP").toLowerCase())
  );
}

function usableEndpoints(service: corev1.Service, slices: readonly discoveryv1.EndpointSlice[]): Endpoint[] {
  const withUnready = service.spec?.publishNotReadyAddresses === true;
  return slices.flatMap((slice) =>
    (slice.endpoints ?? []).flatMap((endpoint) => {
      const ip = endpoint.addresses?.[0];
      if (ip === undefined || (endpoint.conditions?.ready === false && !withUnready)) return [];
      return [{ ip, label: (endpoint.hostname ?? ip.replaceAll(/[.:]/g, "-")).toLowerCase() }];
    }),
  );
}

function addressRecord(ip: string): RecordData {
  return { type: ip.includes(":") ? "AAAA" : "A", data: ip };
}

function unique<T>(records: readonly T[]): T[] {
  const seen = new Map(records.map((record) => [JSON.stringify(record), record]));
  return [...seen.values()];
}

function findReverse(name: string, view: ClusterView, domain: string): Found {
  const ip = name
    .replace(/\.in-addr\.arpa$/, "")
    .split(".")
    .reverse()
    .join(".");
  const service = view.serviceByClusterIP(ip);
  if (service !== undefined)
    return { records: [{ type: "PTR", data: `${service.metadata?.name}.${service.metadata?.namespace}.svc.${domain}` }] };
  const records = view.slicesByAddress(ip).flatMap((slice): RecordData[] => {
    const serviceName = slice.metadata?.labels?.["kubernetes.io/service-name"];
    const endpoint = (slice.endpoints ?? []).find((candidate) => candidate.addresses?.includes(ip));
    if (serviceName === undefined || endpoint === undefined) return [];
    const label = endpoint.hostname ?? ip.replaceAll(".", "-");
    return [{ type: "PTR", data: `${label}.${serviceName}.${slice.metadata?.namespace}.svc.${domain}` }];
  });
  return records.length === 0 ? undefined : { records: unique(records) };
}
