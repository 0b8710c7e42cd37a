// Decides the EndpointSlices of a Service.
//
// ES1. Every pod that the selector finds and that has an address is in exactly one slice of each address type the Service has.
// ES2. Slices are changed as little as possible: existing ones keep what still holds, fill up with what is missing, and
//      only then a new one is made. A slice that ends up empty is deleted unless it is the only one of its type.
// ES3. All endpoints of one slice share one list of ports; pods whose named ports resolve differently get slices of their own.
// Source: pkg/controller/endpointslice, staging/endpointslice/reconciler.go.
import type { corev1, discoveryv1 } from "@lenj/proto/k8s";
import { canonicalJSON, isSameJSON } from "../../core/canonical-json.js";
import { endpointFor, portsFor } from "./endpoint.js";

export const MANAGED_BY = "endpointslice-controller.k8s.io";
export const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";
export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
const HEADLESS_LABEL = "service.kubernetes.io/headless";
const TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time";

export type AddressType = "IPv4" | "IPv6";

export interface ObservedService {
  readonly service: corev1.Service;
  readonly pods: readonly corev1.Pod[];
  readonly slices: readonly discoveryv1.EndpointSlice[];
  readonly nodes: ReadonlyMap<string, corev1.Node>;
  readonly endpointsPerSliceMax: number;
}

export interface SlicePlan {
  readonly create: readonly discoveryv1.EndpointSlice[];
  readonly update: readonly discoveryv1.EndpointSlice[];
  readonly remove: readonly discoveryv1.EndpointSlice[];
}

export function planEndpointSlices(observed: ObservedService): SlicePlan {
  const plan: { create: discoveryv1.EndpointSlice[]; update: discoveryv1.EndpointSlice[]; remove: discoveryv1.EndpointSlice[] } = {
    create: [],
    update: [],
    remove: [],
  };
  const types = addressTypes(observed.service);
  for (const slice of observed.slices) if (!types.includes(slice.addressType as AddressType)) plan.remove.push(slice);
  for (const type of types) planAddressType(observed, type, plan);
  return plan;
}

function addressTypes(service: corev1.Service): AddressType[] {
  const families = service.spec?.ipFamilies;
  if (families !== undefined && families.length > 0) return families.map((family) => (family === "IPv6" ? "IPv6" : "IPv4"));
  return (service.spec?.clusterIP ?? "").includes(":") ? ["IPv6"] : ["IPv4"];
}

interface PortGroup {
  readonly ports: discoveryv1.EndpointPort[];
  /** By pod uid. */
  readonly endpoints: Map<string, discoveryv1.Endpoint>;
}

function planAddressType(
  observed: ObservedService,
  type: AddressType,
  plan: { create: discoveryv1.EndpointSlice[]; update: discoveryv1.EndpointSlice[]; remove: discoveryv1.EndpointSlice[] },
): void {
  const groups = groupByPorts(observed, type);
  const existing = observed.slices.filter((slice) => slice.addressType === type);
  const used = new Set<discoveryv1.EndpointSlice>();
  for (const group of groups) {
    const candidates = existing.filter((slice) => isSameJSON(slice.ports ?? [], group.ports));
    for (const slice of candidates) used.add(slice);
    planGroup(observed, type, group, candidates, plan);
  }
  const unused = existing.filter((slice) => !used.has(slice));
  if (groups.length > 0) {
    plan.remove.push(...unused);
    return;
  }
  // No endpoints at all: one empty slice says that this was looked at.
  const [keep, ...surplus] = unused;
  plan.remove.push(...surplus);
  if (keep === undefined) plan.create.push(newSlice(observed, type, [], []));
  else pushIfChanged(observed, keep, [], [], plan.update);
}

function groupByPorts(observed: ObservedService, type: AddressType): PortGroup[] {
  const groups = new Map<string, PortGroup>();
  for (const pod of observed.pods) {
    const endpoint = endpointFor(pod, observed.service, observed.nodes.get(pod.spec?.nodeName ?? ""), type);
    if (endpoint === undefined) continue;
    const ports = portsFor(observed.service, pod);
    const key = canonicalJSON(ports);
    const group = groups.get(key) ?? { ports, endpoints: new Map() };
    group.endpoints.set(pod.metadata?.uid ?? "", endpoint);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function planGroup(
  observed: ObservedService,
  type: AddressType,
  group: PortGroup,
  existing: readonly discoveryv1.EndpointSlice[],
  plan: { create: discoveryv1.EndpointSlice[]; update: discoveryv1.EndpointSlice[]; remove: discoveryv1.EndpointSlice[] },
): void {
  const missing = new Map(group.endpoints);
  const kept = existing.map((slice) => {
    const endpoints: discoveryv1.Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const uid = endpoint.targetRef?.uid ?? "";
      const wanted = missing.get(uid);
      if (wanted === undefined || endpoints.length >= observed.endpointsPerSliceMax) continue;
      missing.delete(uid);
      endpoints.push(isSameJSON(wanted, endpoint) ? endpoint : wanted);
    }
    return { slice, endpoints };
  });
  // The fullest first, so that slices with room stay few.
  for (const entry of [...kept].sort((a, b) => b.endpoints.length - a.endpoints.length))
    fill(entry.endpoints, missing, observed.endpointsPerSliceMax);
  for (const { slice, endpoints } of kept) {
    if (endpoints.length === 0) plan.remove.push(slice);
    else pushIfChanged(observed, slice, group.ports, endpoints, plan.update);
  }
  while (missing.size > 0) {
    const endpoints: discoveryv1.Endpoint[] = [];
    fill(endpoints, missing, observed.endpointsPerSliceMax);
    plan.create.push(newSlice(observed, type, group.ports, endpoints));
  }
}

function fill(endpoints: discoveryv1.Endpoint[], missing: Map<string, discoveryv1.Endpoint>, max: number): void {
  for (const [uid, endpoint] of missing) {
    if (endpoints.length >= max) return;
    endpoints.push(endpoint);
    missing.delete(uid);
  }
}

function pushIfChanged(
  observed: ObservedService,
  slice: discoveryv1.EndpointSlice,
  ports: discoveryv1.EndpointPort[],
  endpoints: discoveryv1.Endpoint[],
  updates: discoveryv1.EndpointSlice[],
): void {
  const labels = sliceLabels(observed.service);
  const isSame =
    isSameJSON(slice.endpoints ?? [], endpoints) &&
    isSameJSON(slice.ports ?? [], ports) &&
    isSameJSON(slice.metadata?.labels ?? {}, labels);
  if (!isSame) updates.push({ ...slice, metadata: { ...slice.metadata, labels }, ports, endpoints });
}

function newSlice(
  { service }: ObservedService,
  addressType: AddressType,
  ports: discoveryv1.EndpointPort[],
  endpoints: discoveryv1.Endpoint[],
): discoveryv1.EndpointSlice {
  const { name = "", namespace, uid = "" } = service.metadata ?? {};
  const trigger = service.metadata?.annotations?.[TRIGGER_TIME];
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      generateName: `${name}-`,
      ...(namespace !== undefined && { namespace }),
      labels: sliceLabels(service),
      ...(trigger !== undefined && { annotations: { [TRIGGER_TIME]: trigger } }),
      ownerReferences: [{ apiVersion: "v1", kind: "Service", name, uid, controller: true, blockOwnerDeletion: true }],
    },
    addressType,
    ports,
    endpoints,
  };
}

/** The Service's own labels, so that selections of Services also find their slices, and those that name it. */
function sliceLabels(service: corev1.Service): Record<string, string> {
  const { [HEADLESS_LABEL]: _, ...inherited } = service.metadata?.labels ?? {};
  return {
    ...inherited,
    [SERVICE_NAME_LABEL]: service.metadata?.name ?? "",
    [MANAGED_BY_LABEL]: MANAGED_BY,
    ...(service.spec?.clusterIP === "None" && { [HEADLESS_LABEL]: "" }),
  };
}
