import {
  age,
  column,
  coreUnknownFieldLabel,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  invalid,
  isDNS1123Label,
  isPortNumber,
  name,
  required,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { checkEach, checkIP, checkOneOf, checkRule } from "../../../validation/checks.js";

export const endpoints = defineResource<corev1.Endpoints>({
  gvk: { group: "", version: "v1", kind: "Endpoints" },
  plural: "endpoints",
  singular: "endpoints",
  shortNames: ["ep"],
  scope: "Namespaced",
  storage: { prefix: "services/endpoints" },
  storageVersionHash: "fWeeMqaN/OA=",
  allowCreateOnUpdate: true,
  defaults({ subsets }) {
    for (const subset of subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= "TCP";
  },
  strategy: { validateCreate: validate, validateUpdate: validate },
  unknownFieldLabel: coreUnknownFieldLabel,
  deprecationWarning: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
  table: defineTable<corev1.Endpoints>([name, [column("Endpoints"), formatEndpoints], age]),
});

const shownMax = 3;

function formatEndpoints({ subsets }: corev1.Endpoints): string {
  const all = (subsets ?? []).flatMap((subset) => {
    const addresses = subset.addresses ?? [];
    const ports = subset.ports ?? [];
    if (ports.length === 0) return addresses.map(({ ip }) => ip ?? "");
    return ports.flatMap((port) => addresses.map(({ ip }) => ((ip ?? "").includes(":") ? `[${ip}]:${port.port}` : `${ip}:${port.port}`)));
  });
  if (all.length === 0) return "<none>";
  const more = all.length > shownMax ? ` + ${all.length - shownMax} more...` : "";
  return all.slice(0, shownMax).join(",") + more;
}

function validate({ subsets }: corev1.Endpoints): FieldError[] {
  return checkEach(subsets, FieldPath.of("subsets"), (subset, path) => {
    const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
    const errors: FieldError[] =
      addresses.length + notReadyAddresses.length === 0 ? [required(path, "must specify `addresses` or `notReadyAddresses`")] : [];
    for (const [field, list] of [
      ["addresses", addresses],
      ["notReadyAddresses", notReadyAddresses],
    ] as const)
      errors.push(...checkEach(list, path.child(field), ({ ip }, at) => checkIP(ip ?? "", at.child("ip"))));
    return [
      ...errors,
      ...checkEach(ports, path.child("ports"), (port, at) => [
        ...(port.name ? checkRule(port.name, at.child("name"), isDNS1123Label) : ports.length > 1 ? [required(at.child("name"))] : []),
        ...isPortNumber(port.port ?? 0).map((message) => invalid(at.child("port"), port.port ?? 0, message)),
        ...checkOneOf(port.protocol, at.child("protocol"), ["SCTP", "TCP", "UDP"]),
      ]),
    ];
  });
}
