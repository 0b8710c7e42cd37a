import { age, column, defineTable, formatLabels, name } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

export const serviceTable = defineTable<corev1.Service>([
  name,
  [column("Type"), ({ spec }) => spec?.type ?? ""],
  [column("Cluster-IP"), ({ spec }) => spec?.clusterIPs?.[0] ?? spec?.clusterIP ?? "<none>"],
  [column("External-IP"), formatExternal],
  [column("Port(s)"), formatPorts],
  age,
  [column("Selector", { wide: true }), ({ spec }) => formatLabels(spec?.selector)],
]);

function formatExternal({ spec, status }: corev1.Service): string {
  const external = spec?.externalIPs ?? [];
  if (spec?.type === "ExternalName") return spec.externalName ?? "";
  if (spec?.type !== "LoadBalancer") return external.join(",") || "<none>";
  const ingress = (status?.loadBalancer?.ingress ?? []).map((point) => point.ip || point.hostname || "");
  return [...ingress.sort(), ...external].join(",") || "<pending>";
}

function formatPorts({ spec }: corev1.Service): string {
  return (
    (spec?.ports ?? []).map((port) => `${port.port}${port.nodePort ? `:${port.nodePort}` : ""}/${port.protocol ?? ""}`).join(",") ||
    "<none>"
  );
}
