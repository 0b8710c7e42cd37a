import {
  age,
  column,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  name,
  required,
  statusSubresource,
  withStatus,
} from "@lenj/apimachinery";
import type { networkingv1 } from "@lenj/proto/k8s";
import { checkEach } from "../../../validation/checks.js";

const gvk = { group: "networking.k8s.io", version: "v1", kind: "Ingress" } as const;

export const ingress = defineResource<networkingv1.Ingress>({
  gvk,
  plural: "ingresses",
  scope: "Namespaced",
  storageVersionHash: "39NQlfNR+bo=",
  shortNames: ["ing"],
  storage: { prefix: "ingress" },
  hasGeneration: true,
  strategy: withStatus({ validateCreate: validate, validateUpdate: validate }),
  subresources: [statusSubresource(gvk)],
  table: defineTable<networkingv1.Ingress>([
    name,
    [column("Class"), ({ spec }) => spec?.ingressClassName ?? "<none>"],
    [column("Hosts"), formatHosts],
    [
      column("Address"),
      ({ status }) =>
        (status?.loadBalancer?.ingress ?? [])
          .map((point) => point.ip || point.hostname || "")
          .sort()
          .join(","),
    ],
    [column("Ports"), ({ spec }) => ((spec?.tls ?? []).length > 0 ? "80, 443" : "80")],
    age,
  ]),
});

function formatHosts({ spec }: networkingv1.Ingress): string {
  const hosts = (spec?.rules ?? []).map((rule) => rule.host || "*");
  if (hosts.length === 0) return "*";
  return hosts.length > 3 ? `${hosts.slice(0, 3).join(",")} + ${hosts.length - 3} more...` : hosts.join(",");
}

function validate({ spec }: networkingv1.Ingress): FieldError[] {
  const path = FieldPath.of("spec");
  const errors: FieldError[] =
    (spec?.rules ?? []).length === 0 && spec?.defaultBackend === undefined
      ? [required(path, "either `defaultBackend` or `rules` must be specified")]
      : [];
  return [
    ...errors,
    ...checkEach(spec?.rules, path.child("rules"), (rule, at) =>
      checkEach(rule.http?.paths, at.child("http", "paths"), (item, where) =>
        item.pathType ? [] : [required(where.child("pathType"), "pathType must be specified")],
      ),
    ),
  ];
}
