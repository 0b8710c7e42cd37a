// The cluster as the answers need it, from informers.
import { type InformerFactory, resources } from "@lenj/client";
import type { corev1, discoveryv1 } from "@lenj/proto/k8s";
import type { ClusterView } from "../core/answers.js";

const serviceIndex = "service";
const addressIndex = "address";
const clusterIPIndex = "clusterIP";

/** Registers the informers; the view is complete once the factory has synced. `onChange` runs on every change. */
export function createClusterView(informers: InformerFactory, onChange: () => void): ClusterView {
  const services = informers.informer<corev1.Service>(resources.services);
  const slices = informers.informer<discoveryv1.EndpointSlice>(resources.endpointSlices);
  const namespaces = informers.informer<corev1.Namespace>(resources.namespaces);
  services.addIndex(clusterIPIndex, (service) => (service.spec?.clusterIPs ?? []).filter((ip) => ip !== "None"));
  slices.addIndex(serviceIndex, (slice) => {
    const service = slice.metadata?.labels?.["kubernetes.io/service-name"];
    return service === undefined ? [] : [`${slice.metadata?.namespace}/${service}`];
  });
  slices.addIndex(addressIndex, (slice) => (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? []));
  const changed = { onAdd: onChange, onUpdate: onChange, onDelete: onChange };
  services.addHandler(changed);
  slices.addHandler(changed);
  return {
    service: (namespace, name) => services.lister.get(namespace, name),
    slices: (namespace, service) => slices.lister.byIndex(serviceIndex, `${namespace}/${service}`),
    hasNamespace: (name) => namespaces.lister.get(undefined, name) !== undefined,
    serviceByClusterIP: (ip) => services.lister.byIndex(clusterIPIndex, ip)[0],
    slicesByAddress: (ip) => slices.lister.byIndex(addressIndex, ip),
  };
}
