// Service variables: NAME_SERVICE_HOST and the older link form NAME_PORT_80_TCP... Upstream: pkg/kubelet/envvars.
import type { corev1 } from "@lenj/proto/k8s";

/**
 * Variables for a pod of `namespace`. The `kubernetes` service of the default namespace is always there;
 * the services of the pod's own namespace only with enableServiceLinks.
 */
export function serviceVariables(services: readonly corev1.Service[], namespace: string, enableServiceLinks: boolean): Map<string, string> {
  const visible = new Map<string, corev1.Service>();
  for (const service of services) {
    const name = service.metadata?.name ?? "";
    const own = service.metadata?.namespace ?? "";
    if (!hasClusterIP(service)) continue;
    if (own === "default" && name === "kubernetes" && !visible.has(name)) visible.set(name, service);
    else if (own === namespace && enableServiceLinks) visible.set(name, service);
  }
  const result = new Map<string, string>();
  for (const name of [...visible.keys()].sort()) addService(result, visible.get(name) as corev1.Service);
  return result;
}

function hasClusterIP(service: corev1.Service): boolean {
  const ip = service.spec?.clusterIP;
  return ip !== undefined && ip !== "" && ip !== "None" && (service.spec?.ports ?? []).length > 0;
}

function addService(result: Map<string, string>, service: corev1.Service): void {
  const prefix = variableName(service.metadata?.name ?? "");
  const ip = service.spec?.clusterIP ?? "";
  const host = ip.includes(":") ? `[${ip}]` : ip;
  const ports = service.spec?.ports ?? [];
  result.set(`${prefix}_SERVICE_HOST`, ip);
  result.set(`${prefix}_SERVICE_PORT`, String(ports[0]?.port ?? ""));
  for (const port of ports) {
    if (port.name !== undefined && port.name !== "") result.set(`${prefix}_SERVICE_PORT_${variableName(port.name)}`, String(port.port));
  }
  ports.forEach((port, position) => {
    const protocol = port.protocol ?? "TCP";
    const url = `${protocol.toLowerCase()}://${host}:${port.port}`;
    const link = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`;
    if (position === 0) result.set(`${prefix}_PORT`, url);
    result.set(link, url);
    result.set(`${link}_PROTO`, protocol.toLowerCase());
    result.set(`${link}_PORT`, String(port.port));
    result.set(`${link}_ADDR`, ip);
  });
}

function variableName(name: string): string {
  return name.replaceAll("-", "_").toUpperCase();
}
