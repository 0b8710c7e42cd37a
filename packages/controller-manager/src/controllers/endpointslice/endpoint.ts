// One pod as an endpoint of a Service. Source: staging/endpointslice/utils.go, pkg/controller/util/endpoint.
import type { corev1, discoveryv1 } from "@lenj/proto/k8s";
import { isPodFinished, isPodReady } from "../../core/pod-state.js";
import type { AddressType } from "./plan.js";

const ZONE_LABEL = "topology.kubernetes.io/zone";

/** Undefined: the pod has no address of this type, or is done. */
export function endpointFor(
  pod: corev1.Pod,
  service: corev1.Service,
  node: corev1.Node | undefined,
  type: AddressType,
): discoveryv1.Endpoint | undefined {
  const address = addressOf(pod, type);
  if (address === undefined || isPodFinished(pod)) return undefined;
  const isTerminating = pod.metadata?.deletionTimestamp !== undefined;
  const isServing = isPodReady(pod);
  const nodeName = pod.spec?.nodeName ?? "";
  const zone = node?.metadata?.labels?.[ZONE_LABEL];
  const hostname = hostnameFor(pod, service);
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  return {
    addresses: [address],
    conditions: {
      ready: service.spec?.publishNotReadyAddresses === true || (isServing && !isTerminating),
      serving: isServing,
      terminating: isTerminating,
    },
    ...(hostname !== undefined && { hostname }),
    targetRef: { kind: "Pod", namespace, name, uid },
    ...(nodeName !== "" && { nodeName }),
    ...(zone !== undefined && { zone }),
  };
}

export function addressOf(pod: corev1.Pod, type: AddressType): string | undefined {
  const addresses = pod.status?.podIPs?.map((entry) => entry.ip) ?? [pod.status?.podIP];
  return addresses.find((address) => address !== undefined && address !== "" && address.includes(":") === (type === "IPv6"));
}

/** Pods of a headless Service that name it as their subdomain get a DNS name of their own. */
export function hostnameFor(pod: corev1.Pod, service: corev1.Service): string | undefined {
  const { hostname = "", subdomain } = pod.spec ?? {};
  return hostname !== "" && subdomain === service.metadata?.name && pod.metadata?.namespace === service.metadata?.namespace
    ? hostname
    : undefined;
}

/** A port whose name the pod does not have is left out. */
export function portsFor(service: corev1.Service, pod: corev1.Pod): discoveryv1.EndpointPort[] {
  const ports = service.spec?.ports ?? [];
  return ports.flatMap((port) => {
    const number = resolveTargetPort(port, pod);
    if (number === undefined) return [];
    return [
      {
        name: port.name ?? "",
        protocol: port.protocol ?? "TCP",
        port: number,
        ...(port.appProtocol !== undefined && { appProtocol: port.appProtocol }),
      },
    ];
  });
}

export function resolveTargetPort(port: corev1.ServicePort, pod: corev1.Pod): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === "number") return target === 0 ? port.port : target;
  const protocol = port.protocol ?? "TCP";
  const restartableInit = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === "Always");
  for (const container of [...(pod.spec?.containers ?? []), ...restartableInit]) {
    const match = container.ports?.find((candidate) => candidate.name === target && (candidate.protocol ?? "TCP") === protocol);
    if (match !== undefined) return match.containerPort;
  }
  return undefined;
}
