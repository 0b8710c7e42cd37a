// The Endpoints object of a Service, for clients that have not moved to EndpointSlices. Pure.
// Source: pkg/controller/endpoint/endpoints_controller.go, pkg/api/v1/endpoints RepackSubsets.
import type { corev1 } from "@lenj/proto/k8s";
import { isPodFinished, isPodReady } from "../../core/pod-state.js";
import { addressOf, hostnameFor, portsFor } from "../endpointslice/endpoint.js";

/** More addresses than this are cut off, and an annotation says so. */
const ADDRESSES_MAX = 1_000;
const OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";
export const MANAGED_BY_LABEL = "endpoints.kubernetes.io/managed-by";
const HEADLESS_LABEL = "service.kubernetes.io/headless";

export function planEndpoints(service: corev1.Service, pods: readonly corev1.Pod[]): corev1.Endpoints {
  const withUnready = service.spec?.publishNotReadyAddresses === true;
  const subsets = new Map<
    string,
    { ports: corev1.EndpointPort[]; addresses: corev1.EndpointAddress[]; notReadyAddresses: corev1.EndpointAddress[] }
  >();
  const usable = pods.filter(
    (pod) => addressOf(pod, "IPv4") !== undefined && !isPodFinished(pod) && (pod.metadata?.deletionTimestamp === undefined || withUnready),
  );
  for (const pod of [...usable].sort(byName).slice(0, ADDRESSES_MAX)) {
    const ports = portsFor(service, pod).map(
      ({ name, port, protocol, appProtocol }): corev1.EndpointPort => ({
        ...(name ? { name } : {}),
        port: port ?? 0,
        protocol: protocol ?? "TCP",
        ...(appProtocol === undefined ? {} : { appProtocol }),
      }),
    );
    const key = JSON.stringify(ports);
    const subset = subsets.get(key) ?? { ports, addresses: [], notReadyAddresses: [] };
    subsets.set(key, subset);
    (withUnready || isPodReady(pod) ? subset.addresses : subset.notReadyAddresses).push(addressFor(pod, service));
  }
  const isHeadless = service.spec?.clusterIP === "None";
  return {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: {
      name: service.metadata?.name ?? "",
      namespace: service.metadata?.namespace ?? "",
      labels: { ...service.metadata?.labels, [MANAGED_BY_LABEL]: "endpoint-controller", ...(isHeadless ? { [HEADLESS_LABEL]: "" } : {}) },
      ...(usable.length > ADDRESSES_MAX ? { annotations: { [OVER_CAPACITY]: "truncated" } } : {}),
    },
    subsets: [...subsets.entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { ports, addresses, notReadyAddresses }]) => ({
        ...(addresses.length === 0 ? {} : { addresses }),
        ...(notReadyAddresses.length === 0 ? {} : { notReadyAddresses }),
        ports,
      })),
  };
}

const byName = (a: corev1.Pod, b: corev1.Pod): number => ((a.metadata?.name ?? "") < (b.metadata?.name ?? "") ? -1 : 1);

function addressFor(pod: corev1.Pod, service: corev1.Service): corev1.EndpointAddress {
  const hostname = hostnameFor(pod, service);
  return {
    ip: addressOf(pod, "IPv4") ?? "",
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: { kind: "Pod", namespace: pod.metadata?.namespace ?? "", name: pod.metadata?.name ?? "", uid: pod.metadata?.uid ?? "" },
  };
}
