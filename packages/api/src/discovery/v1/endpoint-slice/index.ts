import {
  age,
  column,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  name,
  required,
  semanticEqual,
  specChanges,
  tooMany,
  validateImmutable,
} from "@lenj/apimachinery";
import type { discoveryv1 } from "@lenj/proto/k8s";
import { checkEach, checkOneOf } from "../../../validation/checks.js";

const gvk = { group: "discovery.k8s.io", version: "v1", kind: "EndpointSlice" } as const;

export const endpointSlice = defineResource<discoveryv1.EndpointSlice>({
  gvk,
  plural: "endpointslices",
  scope: "Namespaced",
  storageVersionHash: "qgS0xkrxYAI=",
  hasGeneration: true,
  generationChanges: (object, old) => specChanges(object, old) || !semanticEqual(object.metadata?.labels ?? {}, old.metadata?.labels ?? {}),
  defaults({ ports }) {
    for (const port of ports ?? []) {
      port.name ??= "";
      port.protocol ??= "TCP";
    }
  },
  strategy: {
    validateCreate: validate,
    validateUpdate: (object, old) => [
      ...validate(object),
      ...validateImmutable(object.addressType, old.addressType, FieldPath.of("addressType")),
    ],
  },
  table: defineTable<discoveryv1.EndpointSlice>([
    name,
    [column("AddressType"), ({ addressType }) => addressType ?? ""],
    [
      column("Ports"),
      ({ ports }) => shorten((ports ?? []).map((port) => (port.port === undefined ? port.name || "*" : String(port.port)))),
    ],
    [column("Endpoints"), ({ endpoints }) => shorten((endpoints ?? []).flatMap(({ addresses }) => addresses ?? []))],
    age,
  ]),
});

const shownMax = 3;

function shorten(items: readonly string[]): string {
  if (items.length === 0) return "<unset>";
  return items.slice(0, shownMax).join(",") + (items.length > shownMax ? ` + ${items.length - shownMax} more...` : "");
}

function validate({ addressType, endpoints, ports }: discoveryv1.EndpointSlice): FieldError[] {
  const errors = checkOneOf(addressType, FieldPath.of("addressType"), ["FQDN", "IPv4", "IPv6"]);
  if ((endpoints ?? []).length > 1000) errors.push(tooMany("endpoints", (endpoints ?? []).length, 1000));
  if ((ports ?? []).length > 20_000) errors.push(tooMany("ports", (ports ?? []).length, 20_000));
  return [
    ...errors,
    ...checkEach(endpoints, FieldPath.of("endpoints"), ({ addresses }, at) =>
      (addresses ?? []).length > 0 ? [] : [required(at.child("addresses"), "must contain at least 1 address")],
    ),
  ];
}
